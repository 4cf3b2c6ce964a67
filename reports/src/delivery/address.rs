//! Which address a channel takes. One pure rule, asked when an address is entered and again before a mail leaves.

use lettre::Address;
pub use vigie_store::reports::practices::Channel;

/// Domains of MSSanté unless the settings say otherwise.
pub const MSSANTE_DOMAINS: [&str; 1] = [".mssante.fr"];

/// Why an address is not taken; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// Nothing, or only blanks.
    #[error("the address is empty")]
    Empty,
    /// Longer than a mail server has to take (RFC 5321, 4.5.3.1).
    #[error("the address is too long: 254 characters at most, 64 of them before the @")]
    TooLong,
    /// A line break, a blank, an accent, a bracket, a comma, a quote: nothing that could end an address early or begin
    /// another one is let through, although some mail servers would take it.
    #[error("the address holds a character that is not allowed; one address in plain letters is expected")]
    Character,
    /// Not `name@domain`.
    #[error("the address is not of the form name@organisation.example")]
    Form,
    /// Well-formed, and outside the trusted space.
    #[error("an MSSanté address is expected: its domain ends with {}", .0.join(", "))]
    NotMssante(Vec<String>),
}

/// Takes an address for a channel, or says why not. `mssante` holds the domains of the trusted space: one that begins with
/// a dot stands for everything below it, one without for itself and everything below it.
pub fn check(channel: Channel, address: &str, mssante: &[String]) -> Result<Address, AddressProblem> {
    if address.trim().is_empty() {
        return Err(AddressProblem::Empty);
    }
    if !address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.@".contains(&byte)) {
        return Err(AddressProblem::Character);
    }
    let Some((local, domain)) = address.split_once('@') else { return Err(AddressProblem::Form) };
    if address.len() > 254 || local.len() > 64 {
        return Err(AddressProblem::TooLong);
    }
    let dotted = |text: &str| text.split('.').all(|part| !part.is_empty());
    let labels_are_right = domain.contains('.')
        && domain.split('.').all(|label| {
            label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    if !dotted(local) || !dotted(domain) || !labels_are_right {
        return Err(AddressProblem::Form);
    }
    match channel {
        Channel::Email => {}
        Channel::MsSante => {
            if !mssante.iter().any(|suffix| belongs(domain, suffix)) {
                return Err(AddressProblem::NotMssante(mssante.to_vec()));
            }
        }
    }
    address.parse().map_err(|_| AddressProblem::Form)
}

fn belongs(domain: &str, suffix: &str) -> bool {
    let (domain, suffix) = (domain.to_ascii_lowercase(), suffix.to_ascii_lowercase());
    match suffix.strip_prefix('.') {
        Some("") => false,
        Some(_) => domain.len() > suffix.len() && domain.ends_with(&suffix),
        None => !suffix.is_empty() && (domain == suffix || domain.ends_with(&format!(".{suffix}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(channel: Channel, address: &str) -> Option<AddressProblem> {
        check(channel, address, &MSSANTE_DOMAINS.map(str::to_owned)).err()
    }

    #[test]
    fn an_mssante_address_ends_with_the_domain_of_the_trusted_space() {
        for right in ["dr.martin@medecin.mssante.fr", "cabinet@chu-x.MSSANTE.FR", "a@b.c.mssante.fr"] {
            assert_eq!(problem(Channel::MsSante, right), None, "{right}");
        }
        for wrong in [
            "dr.martin@wanadoo.example",
            "dr@mssante.fr",
            "dr@evilmssante.fr",
            "dr@medecin.mssante.fr.evil.example",
            "dr@medecin.mssante.com",
            "mssante.fr@evil.example",
        ] {
            let problem = problem(Channel::MsSante, wrong);
            assert_eq!(problem, Some(AddressProblem::NotMssante(vec![".mssante.fr".into()])), "{wrong}");
        }
        assert_eq!(problem(Channel::Email, "dr.martin@wanadoo.example"), None, "ordinary mail takes it");
    }

    #[test]
    fn a_domain_without_a_leading_dot_stands_for_itself_and_what_is_below() {
        let domains = ["chu.mssante.fr".to_owned(), String::new(), ".".to_owned()];
        let taken = |address| check(Channel::MsSante, address, &domains).is_ok();
        assert!(taken("a@chu.mssante.fr") && taken("a@cardio.chu.mssante.fr"));
        assert!(!taken("a@xchu.mssante.fr") && !taken("a@mssante.fr") && !taken("a@example.org"));
        assert!(check(Channel::MsSante, "a@chu.mssante.fr", &[]).is_err(), "no domain, no address");
    }

    #[test]
    fn nothing_that_could_end_an_address_or_begin_another_is_let_through() {
        for address in [
            "a@b.example\r\nRCPT TO:<x@evil.example>",
            "a@b.example\n",
            "a@b.example>",
            "<a@b.example>",
            "a@b.example, x@evil.example",
            "a@b.example x@evil.example",
            "\"a b\"@b.example",
            "a@[192.0.2.1]",
            "dr.lef\u{e8}vre@b.example",
            "a\u{0}@b.example",
            "a(comment)@b.example",
            "a:b@b.example",
        ] {
            for channel in [Channel::Email, Channel::MsSante] {
                assert_eq!(problem(channel, address), Some(AddressProblem::Character), "{address:?}");
            }
        }
    }

    #[test]
    fn an_address_has_a_name_a_domain_and_a_bearable_length() {
        for address in [
            "a",
            "a@",
            "@b.example",
            "a@b",
            "a@@b.example",
            "a@b..example",
            ".a@b.example",
            "a.@b.example",
            "a@-b.example",
            "a@b_c.example",
        ] {
            assert_eq!(problem(Channel::Email, address), Some(AddressProblem::Form), "{address}");
        }
        assert_eq!(problem(Channel::Email, " \t"), Some(AddressProblem::Empty));
        let long = format!("{}@b.example", "a".repeat(65));
        assert_eq!(problem(Channel::Email, &long), Some(AddressProblem::TooLong));
        let label = "b".repeat(60);
        let long = format!("a@{label}.{label}.{label}.{label}.{label}.example");
        assert_eq!(problem(Channel::Email, &long), Some(AddressProblem::TooLong));
        assert_eq!(problem(Channel::Email, &format!("{}@b.example", "a".repeat(64))), None);
    }
}
