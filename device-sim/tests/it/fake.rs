//! A tiny MQTT 3.1.1 server that acknowledges only what it is told to, and remembers what it acknowledged.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vigie_device_sim::Address;
use vigie_wire::{Encoding, decode_batch};

/// What to do with the n-th readings publish (from 0, over all connections).
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    Ack,
    /// Take it and say nothing.
    Withhold,
    /// Take it and hang up.
    HangUp,
}

/// One reading as it came: the readings topic, epoch and sequence, then time, values and context as text.
pub(crate) type Seen = ((String, u64, i64), String);

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) publishes: usize,
    pub(crate) seen: Vec<Seen>,
    pub(crate) acked: Vec<Seen>,
    pub(crate) logins: usize,
}

pub(crate) struct Fake {
    pub(crate) address: Address,
    pub(crate) record: Arc<Mutex<Record>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let record = Arc::new(Mutex::new(Record::default()));
        let (shared, answer) = (record.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (record, answer) = (shared.clone(), answer.clone());
                // A broken connection is what the clients are tested with.
                tokio::spawn(async move { serve(stream, record, &*answer).await.ok() });
            }
        });
        Self { address, record, task }
    }
}

async fn serve(
    mut stream: TcpStream,
    record: Arc<Mutex<Record>>,
    answer: &(dyn Fn(usize) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    loop {
        let first = stream.read_u8().await?;
        let mut length = 0_usize;
        for shift in [0, 7, 14, 21] {
            let byte = stream.read_u8().await?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        match first >> 4 {
            1 => {
                record.lock().unwrap().logins += 1;
                stream.write_all(&[0x20, 2, 0, 0]).await?;
            }
            3 => {
                let topic_length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = String::from_utf8_lossy(&body[2..2 + topic_length]).into_owned();
                let id = [body[2 + topic_length], body[3 + topic_length]];
                let payload = &body[4 + topic_length..];
                let answer = if topic.contains("/readings") {
                    remember(&record, &topic, payload, answer)
                } else {
                    Answer::Ack
                };
                match answer {
                    Answer::Ack => stream.write_all(&[0x40, 2, id[0], id[1]]).await?,
                    Answer::Withhold => {}
                    Answer::HangUp => return Ok(()),
                }
            }
            8 => stream.write_all(&[0x90, 4, body[0], body[1], 1, 1]).await?,
            12 => stream.write_all(&[0xD0, 0]).await?,
            _ => return Ok(()),
        }
    }
}

fn remember(
    record: &Mutex<Record>,
    topic: &str,
    payload: &[u8],
    answer: &(dyn Fn(usize) -> Answer + Send + Sync),
) -> Answer {
    let encoding = if topic.ends_with("/json") { Encoding::Json } else { Encoding::Protobuf };
    let batch = decode_batch(encoding, payload, 0).unwrap();
    let mut record = record.lock().unwrap();
    let answer = answer(record.publishes);
    record.publishes += 1;
    for reading in batch.readings {
        let reading = reading.unwrap();
        let text = format!("{} {:?} {:?}", reading.measured_at, reading.values, reading.context);
        let seen = ((topic.to_owned(), batch.epoch, reading.sequence), text);
        if answer == Answer::Ack {
            record.acked.push(seen.clone());
        }
        record.seen.push(seen);
    }
    answer
}
