//! SUBSCRIBE and UNSUBSCRIBE: a device is granted its own topics, a guest of the open profile nearly all.

use tokio::io::{AsyncRead, AsyncWrite};
use tracing::info;
use vigie_wire::{Channel, DeviceId};

use super::{Connection, End};
use crate::gateway::Gateway;
use crate::message::Message;
use crate::principal::{Guest, Principal};
use crate::protocol::{self, Qos, RetainHandling, Subscribe, SubscribeAnswer};
use crate::session::Grant;
use crate::topics::{Denied, may_subscribe};

impl<G: Gateway, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<G, S> {
    pub(super) fn on_subscribe(&mut self, subscribe: &Subscribe) -> Result<(), End> {
        match self.principal.clone() {
            Principal::Device(device) => self.subscribe_device(&device, subscribe),
            Principal::Guest(guest) => self.subscribe_guest(&guest, subscribe),
        }
    }

    fn subscribe_device(&mut self, device: &DeviceId, subscribe: &Subscribe) -> Result<(), End> {
        let mut answers = Vec::with_capacity(subscribe.entries.len());
        let mut granted = Vec::new();
        let subscriptions_max = self.context.shared.limits.subscriptions_max;
        for entry in &subscribe.entries {
            answers.push(match may_subscribe(device, &entry.filter) {
                // A device has three topics, so the filters of one packet are all there is to count.
                _ if answers.len() >= subscriptions_max => SubscribeAnswer::TooMany,
                Ok(channel) => {
                    let qos = entry.qos.min(Qos::AtLeastOnce);
                    let identifier = subscribe.identifier;
                    let is_new = self.session.subscribe(channel, Grant { qos, identifier });
                    granted.push((channel, is_new, entry.retain_handling));
                    SubscribeAnswer::Granted(qos)
                }
                Err(Denied::Foreign) => SubscribeAnswer::NotAuthorised,
                Err(Denied::Malformed) => SubscribeAnswer::FilterInvalid,
            });
        }
        if granted.len() < answers.len() {
            info!(%device, "a device subscribed to a topic that is not its own, or to too many");
        }
        protocol::suback(&mut self.transport.outbox, self.version, subscribe.packet_id, &answers)?;
        for (channel, is_new, retain_handling) in granted {
            // The status is a retained message; receipts and commands wait in the outbox until they are had.
            if channel != Channel::Status || wants_retained(retain_handling, is_new) {
                self.fetches.want(channel);
            }
        }
        Ok(())
    }

    fn subscribe_guest(&mut self, guest: &Guest, subscribe: &Subscribe) -> Result<(), End> {
        let subscriptions_max = self.context.shared.limits.subscriptions_max;
        let mut answers = Vec::with_capacity(subscribe.entries.len());
        let mut retained = Vec::new();
        for entry in &subscribe.entries {
            let identifier = subscribe.identifier;
            let subscribed = guest.router.subscribe(&guest.client_id, entry, identifier, subscriptions_max);
            answers.push(match subscribed {
                Ok(is_new) => {
                    if wants_retained(entry.retain_handling, is_new) {
                        retained.extend(guest.router.retained(entry, identifier));
                    }
                    SubscribeAnswer::Granted(entry.qos)
                }
                Err(refusal) => refusal,
            });
        }
        protocol::suback(&mut self.transport.outbox, self.version, subscribe.packet_id, &answers)?;
        for routed in retained {
            self.queue(Message::Routed(Box::new(routed)));
        }
        Ok(())
    }

    pub(super) fn on_unsubscribe(&mut self, packet_id: u16, filters: &[String]) -> Result<(), End> {
        let mut existed = Vec::with_capacity(filters.len());
        for filter in filters {
            existed.push(match &self.principal {
                Principal::Device(device) => match may_subscribe(device, filter) {
                    Ok(channel) => self.session.unsubscribe(channel),
                    Err(Denied::Foreign | Denied::Malformed) => false,
                },
                Principal::Guest(guest) => guest.router.unsubscribe(&guest.client_id, filter),
            });
        }
        Ok(protocol::unsuback(&mut self.transport.outbox, self.version, packet_id, &existed)?)
    }
}

fn wants_retained(handling: RetainHandling, is_new: bool) -> bool {
    match handling {
        RetainHandling::Always => true,
        RetainHandling::IfNew => is_new,
        RetainHandling::Never => false,
    }
}
