//! Waiting for a condition with a deadline. Nothing in these tests waits for a time.

use std::time::{Duration, Instant};

/// How often a condition is looked at: well below what any of them is allowed to take.
const EVERY: Duration = Duration::from_millis(20);

/// Asks until there is an answer; `None` when there was none in time. The last question is asked after the deadline.
pub async fn until<T>(patience: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let last = Instant::now() >= deadline;
        let answer = ask().await;
        if answer.is_some() || last {
            return answer;
        }
        tokio::time::sleep(EVERY).await;
    }
}
