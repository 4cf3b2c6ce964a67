//! Live events: one poller per process that knows the truth, and one follower per connection.

mod follow;
mod poller;

pub(crate) use follow::follow;
pub(crate) use poller::Pulse;
pub(crate) use poller::poll;
