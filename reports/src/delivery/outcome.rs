//! What an answer of the mail server means for a delivery, or that no answer came. Pure.

use jiff::SignedDuration;

/// How far a conversation had got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The connection, the greeting, the exchange of names.
    Connect,
    /// The change to TLS, and the check of the certificate.
    Tls,
    /// User and password.
    Login,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, answered with 354 by who is ready for the message.
    Announce,
    /// The message is on its way; its end was not sent.
    Content,
    /// The end of the message was sent: from here on the server may have taken it.
    End,
}

/// What went wrong at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The server said no.
    Told {
        /// 400 to 599.
        code: u16,
        /// What it said.
        text: String,
    },
    /// No answer in time.
    TimedOut,
    /// The connection broke, could not be made, or what came was no SMTP; the cause.
    Lost(String),
}

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server took the responsibility (2xx after the end of DATA): final.
    Accepted {
        /// What it said.
        reply: String,
    },
    /// Not this time; tried again.
    Deferred {
        /// Whose matter it is.
        cause: Cause,
        /// What it said, or what happened.
        reply: String,
    },
    /// The server will never take it for this address: final for the address.
    Refused {
        /// What it said.
        reply: String,
    },
    /// The end of the message was sent and no answer came: it may have arrived. Tried again with the same Message-ID.
    Unknown {
        /// What happened.
        reply: String,
    },
}

/// Whose matter a deferral is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Of this mail or address alone (greylisting, a full mailbox).
    Mail,
    /// Of the server or our settings: the next mail would fare no better.
    Server,
}

/// The meaning of trouble at a step.
pub fn judge(step: Step, trouble: Trouble) -> Outcome {
    let server = matches!(step, Step::Connect | Step::Tls | Step::Login);
    match trouble {
        Trouble::Told { code, text } => {
            let reply = reply(code, &text);
            // RFC 4954, 6: these answer a missing or wrong log-in, whatever command they answer. The address is not
            // to blame. 421 is said by a server that is about to go.
            let ours = matches!(code, 421 | 454 | 530 | 534 | 535 | 538);
            if server || ours {
                Outcome::Deferred { cause: Cause::Server, reply }
            } else if code >= 500 {
                Outcome::Refused { reply }
            } else {
                Outcome::Deferred { cause: Cause::Mail, reply }
            }
        }
        Trouble::TimedOut => silence(step, "no answer in time"),
        Trouble::Lost(why) => silence(step, &why),
    }
}

fn silence(step: Step, why: &str) -> Outcome {
    let at = match step {
        Step::Connect => "connecting",
        Step::Tls => "changing to TLS",
        Step::Login => "logging in",
        Step::Sender => "naming the sender",
        Step::Recipient => "naming the recipient",
        Step::Announce => "announcing the message",
        Step::Content => "sending the message",
        Step::End => {
            return Outcome::Unknown { reply: clean(&format!("after the end of the message: {why}")) };
        }
    };
    Outcome::Deferred { cause: Cause::Server, reply: clean(&format!("while {at}: {why}")) }
}

/// A reply as it is kept and shown.
pub fn reply(code: u16, text: &str) -> String {
    clean(&format!("{code} {text}"))
}

/// Most characters of a reply that are kept.
const REPLY_MAX: usize = 500;

/// In one line, without control characters or what turns the direction of writing, 500 characters at most.
pub fn clean(text: &str) -> String {
    let shown = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let spaced: String = text.chars().map(|c| if shown(c) { c } else { ' ' }).collect();
    let joined = spaced.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    joined.chars().take(REPLY_MAX).collect()
}

/// A reply as it may be logged: what holds an @ is left out.
pub fn without_addresses(reply: &str) -> String {
    let shown = |word: &str| if word.contains('@') { "…".to_owned() } else { word.to_owned() };
    reply.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}

/// First pauses between attempts, in minutes; then every four hours.
const PAUSES: [i64; 5] = [1, 5, 15, 60, 240];

/// After this much waiting a delivery has failed (RFC 5321, 4.5.4.1 asks for four to five days of a mail server; a weekly report
/// must reach the fallback address within the week).
const GIVE_UP: SignedDuration = SignedDuration::from_hours(72);

/// How long to wait after attempt `attempt` (1 for the first), or `None` when all pauses together would exceed 72 h. Counts
/// attempts, not hours since the delivery was made: a service that was down for a week still tries.
pub fn pause_after(attempt: u32) -> Option<SignedDuration> {
    let pause = |n: u32| {
        let minutes = usize::try_from(n).ok().and_then(|n| PAUSES.get(n)).unwrap_or(&240);
        SignedDuration::from_mins(*minutes)
    };
    let mut waited = SignedDuration::ZERO;
    let mut last = SignedDuration::ZERO;
    for n in 0..attempt.clamp(1, 100) {
        last = pause(n);
        waited = waited.saturating_add(last);
    }
    (waited <= GIVE_UP).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 8] = [
        Step::Connect,
        Step::Tls,
        Step::Login,
        Step::Sender,
        Step::Recipient,
        Step::Announce,
        Step::Content,
        Step::End,
    ];

    fn told(code: u16) -> Trouble {
        Trouble::Told { code, text: "so".into() }
    }

    #[test]
    fn a_permanent_no_to_sender_recipient_or_message_is_a_refusal_and_nowhere_else() {
        for step in STEPS {
            let refused = matches!(judge(step, told(550)), Outcome::Refused { .. });
            let about_the_mail = !matches!(step, Step::Connect | Step::Tls | Step::Login);
            assert_eq!(refused, about_the_mail, "{step:?}");
        }
    }

    #[test]
    fn a_log_in_that_is_asked_for_or_wrong_is_never_held_against_the_address() {
        for step in STEPS {
            for code in [530, 534, 535, 538, 421] {
                let outcome = judge(step, told(code));
                assert!(
                    matches!(outcome, Outcome::Deferred { cause: Cause::Server, .. }),
                    "{step:?} {code}: {outcome:?}"
                );
            }
        }
    }

    #[test]
    fn a_temporary_no_concerns_this_mail_alone_once_the_server_listens() {
        assert_eq!(
            judge(Step::Recipient, told(451)),
            Outcome::Deferred { cause: Cause::Mail, reply: "451 so".into() }
        );
        assert_eq!(
            judge(Step::End, told(452)),
            Outcome::Deferred { cause: Cause::Mail, reply: "452 so".into() }
        );
        assert_eq!(
            judge(Step::Connect, told(450)),
            Outcome::Deferred { cause: Cause::Server, reply: "450 so".into() }
        );
    }

    #[test]
    fn silence_leaves_the_outcome_unknown_only_after_the_end_of_the_message() {
        for step in STEPS {
            for trouble in [Trouble::TimedOut, Trouble::Lost("broken pipe".into())] {
                let unknown = matches!(judge(step, trouble.clone()), Outcome::Unknown { .. });
                assert_eq!(unknown, step == Step::End, "{step:?} {trouble:?}");
            }
        }
    }

    #[test]
    fn a_reply_is_one_short_line_without_control_characters() {
        let text = format!("5.1.1 \u{1b}[31mno\r\nsuch\tuser\u{0}\u{202e} {}", "x".repeat(600));
        let reply = reply(550, &text);
        assert!(reply.starts_with("550 5.1.1 [31mno such user xxx"), "{reply}");
        assert_eq!(reply.chars().count(), 500);
        assert_eq!(clean("é".repeat(501).as_str()).chars().count(), 500);
    }

    #[test]
    fn a_logged_reply_holds_no_address() {
        let logged = without_addresses("450 4.2.0 <dr@cabinet.example>: greylisted, see example.org");
        assert_eq!(logged, "450 4.2.0 … greylisted, see example.org");
    }

    #[test]
    fn pauses_grow_to_four_hours_and_end_within_three_days() {
        let minutes: Vec<_> = (1..=7).map(|n| pause_after(n).unwrap().as_mins()).collect();
        assert_eq!(minutes, [1, 5, 15, 60, 240, 240, 240]);
        let given: Vec<_> = (1..=40).map_while(pause_after).collect();
        // 1 + 5 + 15 + 60 = 81 minutes, then 17 times 240: 69 h 21 min. An eighteenth would end at 73 h 21 min.
        assert_eq!(given.len(), 21);
        let all: i64 = given.iter().map(SignedDuration::as_mins).sum();
        assert_eq!(all, 81 + 17 * 240);
        assert!(all <= 72 * 60 && all + 240 > 72 * 60);
        assert_eq!(pause_after(22), None);
        assert_eq!(pause_after(u32::MAX), None);
    }
}
