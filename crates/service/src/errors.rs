//! One formatter for errors: the chain of causes in one line.

/// The error and its causes, outermost first, separated by colons.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the door is shut")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn causes_follow_what_they_caused() {
        let cause = "x".parse::<i32>().unwrap_err();
        assert_eq!(chain(&Outer(cause)), "the door is shut: invalid digit found in string");
    }
}
