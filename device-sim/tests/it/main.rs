//! The simulator against brokers that know nothing of it.

#[cfg(test)]
mod fake;
#[cfg(test)]
mod load;
#[cfg(test)]
mod mosquitto;
#[cfg(test)]
mod send_again;
#[cfg(test)]
mod simulation;
