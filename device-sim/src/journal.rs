//! A device's memory on disk: an append-only file of one JSON line per event, so that a simulator that was killed goes
//! on with the numbers it had reached and sends again what was never acknowledged.
//!
//! A measurement counts only after `fsync`: a number that was on its way to the server is always on disk, so it can
//! never be given to another reading. An acknowledgement needs no `fsync`: forgetting one only sends a duplicate.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use vigie_wire::v1;

use crate::Error;
use crate::queue::{Held, Queue};

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first line: where the file starts from.
    State { epoch: u64, next_sequence: i64, until: Option<Timestamp>, anchor: Timestamp, memory_lost: bool },
    /// Readings taken; the generator has been run up to `until` (none: taken out of rhythm).
    Measured { until: Option<Timestamp>, readings: Vec<Kept> },
    /// Readings acknowledged, as inclusive ranges.
    Acknowledged { epoch: u64, ranges: Vec<(i64, i64)> },
    /// Memory lost: another epoch began.
    Epoch { epoch: u64 },
}

/// A reading as it will be sent, with its true time.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    at: Timestamp,
    reading: v1::Reading,
}

/// What a device remembers between two runs.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) queue: Queue,
    /// The generator has been run up to here.
    pub(crate) until: Option<Timestamp>,
    /// Where the first run's replay began: faults are placed around it, the same after every restart.
    pub(crate) anchor: Timestamp,
    pub(crate) memory_lost: bool,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: fs::File,
}

impl Journal {
    /// Reads what is there (or begins with `fresh`), writes it down compactly and opens it for appending.
    pub(crate) async fn open(path: PathBuf, fresh: Memory) -> Result<(Self, Memory), Error> {
        let failed = |source| Error::State { path: path.clone(), source };
        let memory = match fs::read(&path).await {
            Ok(bytes) => replay(&path, &bytes)?.unwrap_or(fresh),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh,
            Err(error) => return Err(failed(error)),
        };
        let compact = path.with_extension("new");
        write_compact(&compact, &memory).await.map_err(failed)?;
        fs::rename(&compact, &path).await.map_err(failed)?;
        if let Some(folder) = path.parent() {
            // The rename itself must survive, or an older file would come back with numbers that were used since.
            let folder = fs::File::open(folder).await.map_err(failed)?;
            folder.sync_all().await.map_err(failed)?;
        }
        let file = fs::OpenOptions::new().append(true).open(&path).await.map_err(failed)?;
        Ok((Self { path, file }, memory))
    }

    /// Returns when the readings are on disk.
    pub(crate) async fn measured(&mut self, until: Option<Timestamp>, held: &[Held]) -> Result<(), Error> {
        self.append(&Line::Measured { until, readings: held.iter().map(kept).collect() }).await?;
        self.sync().await
    }

    pub(crate) async fn acknowledged(&mut self, epoch: u64, sequences: &[i64]) -> Result<(), Error> {
        self.append(&Line::Acknowledged { epoch, ranges: ranges(sequences) }).await
    }

    /// Returns when the new epoch is on disk.
    pub(crate) async fn memory_lost(&mut self, epoch: u64) -> Result<(), Error> {
        self.append(&Line::Epoch { epoch }).await?;
        self.sync().await
    }

    async fn append(&mut self, line: &Line) -> Result<(), Error> {
        let written = async {
            self.file.write_all(&text(line)?).await?;
            self.file.flush().await
        };
        written.await.map_err(|source| Error::State { path: self.path.clone(), source })
    }

    async fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().await.map_err(|source| Error::State { path: self.path.clone(), source })
    }
}

fn kept(held: &Held) -> Kept {
    Kept { at: held.at, reading: held.reading.clone() }
}

fn text(line: &Line) -> std::io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

async fn write_compact(path: &Path, memory: &Memory) -> std::io::Result<()> {
    // What waits must be read back after the state without being taken for used numbers.
    let first = memory.queue.iter().next().map(|h| h.reading.sequence);
    let state = Line::State {
        epoch: memory.queue.epoch(),
        next_sequence: first.unwrap_or_else(|| memory.queue.next_sequence()),
        until: memory.until,
        anchor: memory.anchor,
        memory_lost: memory.memory_lost,
    };
    let mut bytes = text(&state)?;
    if first.is_some() {
        let readings = memory.queue.iter().map(kept).collect();
        bytes.extend(text(&Line::Measured { until: None, readings })?);
        // The highest numbers may have been acknowledged already.
        let last = memory.queue.next_sequence();
        bytes.extend(text(&Line::State {
            epoch: memory.queue.epoch(),
            next_sequence: last,
            until: memory.until,
            anchor: memory.anchor,
            memory_lost: memory.memory_lost,
        })?);
    }
    let mut file = fs::File::create(path).await?;
    file.write_all(&bytes).await?;
    file.flush().await?;
    file.sync_all().await
}

/// The memory that the lines add up to; `None` for a file without a whole line. What follows the last line break was
/// torn by a crash before its `fsync` returned, so it never counted.
fn replay(path: &Path, bytes: &[u8]) -> Result<Option<Memory>, Error> {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    let mut memory: Option<Memory> = None;
    for (number, line) in bytes.get(..whole).unwrap_or_default().split(|b| *b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let corrupt = |reason: String| Error::Corrupt { path: path.to_owned(), line: number + 1, reason };
        let line: Line = serde_json::from_slice(line).map_err(|e| corrupt(e.to_string()))?;
        apply(&mut memory, line).map_err(|reason| corrupt(reason.to_owned()))?;
    }
    Ok(memory)
}

fn apply(memory: &mut Option<Memory>, line: Line) -> Result<(), &'static str> {
    if let Line::State { epoch, next_sequence, until, anchor, memory_lost } = line {
        match memory {
            Some(memory) => memory.queue.skip_to(next_sequence),
            None => {
                let queue = Queue::new(epoch, next_sequence);
                *memory = Some(Memory { queue, until, anchor, memory_lost });
            }
        }
        return Ok(());
    }
    let Some(memory) = memory else {
        return Err("the first line is not a state");
    };
    match line {
        Line::Measured { until, readings } => {
            for Kept { at, reading } in readings {
                if !memory.queue.hold(Held { at, reading }) {
                    return Err("a sequence number stands twice");
                }
            }
            memory.until = until.or(memory.until);
        }
        Line::Acknowledged { epoch, ranges } => {
            let sequences = ranges.into_iter().flat_map(|(first, last)| first..=last).collect();
            memory.queue.acknowledged(&crate::queue::Carried { epoch, sequences });
        }
        Line::Epoch { epoch } => {
            memory.queue.forget(epoch);
            memory.memory_lost = true;
        }
        Line::State { .. } => {}
    }
    Ok(())
}

/// Ascending numbers as inclusive ranges.
fn ranges(sequences: &[i64]) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for sequence in sequences {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *sequence => *last = *sequence,
            Some(_) | None => ranges.push((*sequence, *sequence)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Memory {
        Memory { queue: Queue::new(7, 1), until: None, anchor: Timestamp::UNIX_EPOCH, memory_lost: false }
    }

    fn held(sequence: i64) -> Held {
        let reading = v1::Reading {
            sequence,
            measured_at: "2026-11-22T07:00:10+01:00".into(),
            values: vec![crate::measurement::value("weight", "70.4".into(), "kg")],
            context: None,
        };
        Held { at: Timestamp::UNIX_EPOCH, reading }
    }

    #[tokio::test]
    async fn a_killed_device_goes_on_with_its_numbers_and_what_was_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.journal");
        let until = "2026-11-22T08:00:00Z".parse().ok();
        let (mut journal, _) = Journal::open(path.clone(), fresh()).await.unwrap();
        journal.measured(until, &[held(1), held(2), held(3), held(4)]).await.unwrap();
        journal.acknowledged(7, &[1, 3, 4]).await.unwrap();
        drop(journal);
        // Twice, since the compact form must say the same as the long one.
        for _ in 0..2 {
            let (_, memory) = Journal::open(path.clone(), fresh()).await.unwrap();
            assert_eq!(memory.until, until);
            assert_eq!(memory.queue.iter().cloned().collect::<Vec<_>>(), [held(2)]);
            assert_eq!(memory.queue.next_sequence(), 5, "3 and 4 are used for ever");
        }
    }

    #[tokio::test]
    async fn a_line_that_a_crash_tore_never_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.journal");
        let (mut journal, _) = Journal::open(path.clone(), fresh()).await.unwrap();
        journal.measured(None, &[held(1)]).await.unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(br#"{"measured":{"until":null,"readings":[{"at":"20"#);
        std::fs::write(&path, bytes).unwrap();
        let (mut journal, memory) = Journal::open(path.clone(), fresh()).await.unwrap();
        assert_eq!(memory.queue.next_sequence(), 2);
        journal.measured(None, &[held(2)]).await.unwrap();
        let (_, memory) = Journal::open(path, fresh()).await.unwrap();
        assert_eq!(memory.queue.len(), 2);
    }

    #[tokio::test]
    async fn a_lost_memory_stays_lost_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.journal");
        let (mut journal, _) = Journal::open(path.clone(), fresh()).await.unwrap();
        journal.measured(None, &[held(1)]).await.unwrap();
        journal.memory_lost(8).await.unwrap();
        let (_, memory) = Journal::open(path, fresh()).await.unwrap();
        assert!(memory.memory_lost);
        assert_eq!((memory.queue.epoch(), memory.queue.next_sequence(), memory.queue.len()), (8, 1, 0));
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_journal_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.journal");
        std::fs::write(&path, "hello\n").unwrap();
        let error = Journal::open(path, fresh()).await.unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
