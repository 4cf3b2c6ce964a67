//! The mail itself. Pure: the same delivery gives the same bytes, on every machine and at every attempt.
//!
//! Outside the attached document nothing names a patient: not the subject, not the text, not the name of the file.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, Message, MultiPart, MultiPartKind, SinglePart};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use vigie_charts::Locale;
use vigie_service::hexadecimal;
use vigie_words::Texts;

/// What is in the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The weekly report of one patient.
    Report {
        /// 1 for the first; more for corrected ones.
        version: i32,
    },
    /// The weekly summary of the practice's patients.
    Summary,
}

/// Everything that a mail is made from. Nothing else enters into it: no clock, no randomness.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    /// The delivery.
    pub delivery: Uuid,
    /// With its angle brackets; the same for ever.
    pub message_id: &'a str,
    /// When the delivery was made: the date of the mail.
    pub dated: Timestamp,
    /// Sender.
    pub from: &'a Address,
    /// The one recipient.
    pub to: &'a Address,
    /// Language of the recipient.
    pub locale: Locale,
    /// ISO week, `2026-W47`.
    pub week: &'a str,
    /// What is in the mail.
    pub content: Content,
    /// Name of the practice, as somebody typed it.
    pub practice: &'a str,
    /// The stored document.
    pub pdf: &'a [u8],
    /// Its hash, as stored.
    pub sha256: &'a [u8],
}

/// Why no mail can be made.
#[derive(Debug, thiserror::Error)]
pub enum LetterProblem {
    /// The stored bytes are not the ones whose hash was stored.
    #[error("the stored document does not match its hash")]
    Damaged,
    /// The Message-ID is not of the form `<left@right>`.
    #[error("the Message-ID is not of the form <left@right>")]
    MessageId,
    /// The builder of mails refused.
    #[error("the mail cannot be made")]
    Made(#[source] lettre::error::Error),
}

/// The mail's bytes, with CR LF at the ends of lines.
pub fn compose(letter: &Letter<'_>) -> Result<Vec<u8>, LetterProblem> {
    let hash = Sha256::digest(letter.pdf);
    if hash.as_slice() != letter.sha256 {
        return Err(LetterProblem::Damaged);
    }
    if !is_message_id(letter.message_id) {
        return Err(LetterProblem::MessageId);
    }
    let hash = hexadecimal(&hash);
    let texts = Texts(letter.locale);
    let text = Body::new_with_encoding(body(letter, &hash), ContentTransferEncoding::QuotedPrintable);
    let text = text.unwrap_or_else(Body::new);
    let pdf = Body::new_with_encoding(letter.pdf.to_vec(), ContentTransferEncoding::Base64);
    let pdf = pdf.unwrap_or_else(Body::new);
    let parts = MultiPart::builder()
        .kind(MultiPartKind::Mixed)
        .boundary(format!("vigie-{}", letter.delivery.simple()))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text))
        .singlepart(Attachment::new(file_name(letter.week, &hash)).body(pdf, pdf_type()?));
    Message::builder()
        .from(Mailbox::new(Some("Vigie".into()), letter.from.clone()))
        .to(Mailbox::new(None, letter.to.clone()))
        .subject(subject(texts, letter))
        .date(SystemTime::from(letter.dated))
        .message_id(Some(letter.message_id.to_owned()))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Vigie-Report-SHA256", &hash))
        .multipart(parts)
        .map(|message| message.formatted())
        .map_err(LetterProblem::Made)
}

fn pdf_type() -> Result<ContentType, LetterProblem> {
    ContentType::parse("application/pdf").map_err(|_| LetterProblem::Damaged)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn subject(texts: Texts, letter: &Letter<'_>) -> String {
    let week = plain(letter.week);
    match letter.content {
        Content::Report { version: ..=1 } => texts.with("mail.subject.report", "week", week),
        Content::Report { version } => {
            texts.fill("mail.subject.correction", &[("week", &week), ("n", &version)])
        }
        Content::Summary => texts.with("mail.subject.summary", "week", week),
    }
}

fn body(letter: &Letter<'_>, hash: &str) -> String {
    let texts = Texts(letter.locale);
    let (week, practice) = (plain(letter.week), plain(letter.practice));
    let what = match letter.content {
        Content::Report { version: ..=1 } => texts.with("mail.report", "week", &week),
        Content::Report { version } => texts.fill("mail.correction", &[("week", &week), ("n", &version)]),
        Content::Summary => texts.with("mail.summary", "week", &week),
    };
    let lines: [&str; 8] = [
        &texts.with("mail.greeting", "practice", practice),
        &what,
        texts.get("mail.attached"),
        texts.get("mail.secret"),
        texts.get("mail.twice"),
        &texts.with("mail.hash", "hash", hash),
        texts.get("mail.automatic"),
        &format!("{} {}", texts.get("emergency.not"), texts.get("emergency.call")),
    ];
    let mut text = lines.join("\n\n");
    text.push('\n');
    text
}

/// `vigie-2026-W47-1f0c9a3e.pdf`: the week and the beginning of the document's hash, which the page of the report shows too.
/// No name, no identifier of a person, and two documents of a week never have the same name.
fn file_name(week: &str, hash: &str) -> String {
    let week: String = week.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("vigie-{week}-{}.pdf", hash.get(..8).unwrap_or(hash))
}

/// What somebody typed, in one line: no character that could end it.
fn plain(text: &str) -> String {
    super::outcome::clean(text)
}

fn is_message_id(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else { return false };
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b".-_@".contains(&c);
    inner.len() <= 200
        && inner.bytes().all(allowed)
        && inner.split('@').filter(|part| !part.is_empty()).count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &[u8] = b"%PDF-1.7\n\x00\xff binary \r\n.\r\n bytes";

    fn made(change: impl FnOnce(&mut Letter<'_>)) -> Result<String, LetterProblem> {
        let (from, to) = ("vigie@chu.example".parse().unwrap(), "dr@cabinet.example".parse().unwrap());
        let sha256 = Sha256::digest(PDF);
        let mut letter = Letter {
            delivery: Uuid::from_u128(7),
            message_id: "<00000000-0000-0000-0000-000000000007@vigie.example>",
            dated: "2026-11-23T05:00:00Z".parse().unwrap(),
            from: &from,
            to: &to,
            locale: Locale::En,
            week: "2026-W47",
            content: Content::Report { version: 1 },
            practice: "Cabinet du Port",
            pdf: PDF,
            sha256: &sha256,
        };
        change(&mut letter);
        compose(&letter).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_same_delivery_gives_the_same_bytes_and_another_one_others() {
        let mail = made(|_| {}).unwrap();
        assert_eq!(mail, made(|_| {}).unwrap());
        assert_ne!(mail, made(|letter| letter.delivery = Uuid::from_u128(8)).unwrap());
        assert!(mail.is_ascii(), "passes every server, with or without 8BITMIME");
        assert!(mail.lines().all(|line| line.len() <= 998), "RFC 5322, 2.1.1");
        assert!(mail.contains("Date: Mon, 23 Nov 2026 05:00:00 +0000\r\n"), "{mail}");
        assert!(mail.contains("Message-ID: <00000000-0000-0000-0000-000000000007@vigie.example>\r\n"));
        assert!(mail.contains("Auto-Submitted: auto-generated\r\n"));
        // By Python's hashlib.
        let hash = "14e031f590bb2a898b3a0f8ac7e70832aa95c27b081b456f3e8aefaf66db6863";
        assert!(mail.contains(&format!("X-Vigie-Report-SHA256: {hash}\r\n")), "{mail}");
        assert!(mail.contains(&format!("filename=\"vigie-2026-W47-{}.pdf\"", &hash[..8])), "{mail}");
    }

    #[test]
    fn the_subject_says_what_it_is_and_nothing_about_anybody() {
        let subject = |content| {
            let mail = made(|letter| letter.content = content).unwrap();
            mail.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap()
        };
        assert_eq!(subject(Content::Report { version: 1 }), "Vigie: weekly report 2026-W47 (1 document)");
        assert_eq!(
            subject(Content::Report { version: 3 }),
            "Vigie: corrected weekly report 2026-W47, version 3 (1 document)"
        );
        assert_eq!(subject(Content::Summary), "Vigie: weekly summary of your patients 2026-W47 (1 document)");
    }

    #[test]
    fn a_damaged_document_never_leaves() {
        assert!(matches!(made(|letter| letter.pdf = b"%PDF-1.7 other"), Err(LetterProblem::Damaged)));
        assert!(matches!(made(|letter| letter.sha256 = &[]), Err(LetterProblem::Damaged)));
    }

    #[test]
    fn no_text_from_outside_becomes_a_header_a_part_or_a_file_of_its_own() {
        let evil = "X\r\nBcc: x@evil.example\r\n\r\n--vigie-00000000000000000000000000000007--\r\n";
        let clean = made(|_| {}).unwrap();
        let headers = |mail: &str| -> Vec<String> {
            let head = mail.split("\r\n\r\n").next().unwrap();
            head.split("\r\n").map(|line| line.split(':').next().unwrap().to_owned()).collect()
        };
        let mail = made(|letter| letter.practice = evil).unwrap();
        assert_eq!(headers(&mail), headers(&clean));
        assert_eq!(mail.matches("\r\n--vigie-").count(), clean.matches("\r\n--vigie-").count(), "{mail}");
        let mail = made(|letter| letter.week = evil).unwrap();
        assert!(!headers(&mail).iter().any(|name| name == "Bcc"), "{mail}");
        for id in ["", "<a@b>\r\nBcc: x@evil.example", "<a b@c>", "a@b", "<@b>", "<a>", "<a@b@c>"] {
            assert!(matches!(made(|letter| letter.message_id = id), Err(LetterProblem::MessageId)), "{id:?}");
        }
    }
}
