//! What to simulate and against which server. The caller brings patients, secrets and the clock.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vigie_wire::DeviceId;

use crate::Error;
use crate::fault::{FaultPlan, FaultSwitches};
use crate::person::{DeviceKind, Person, Profile, central_europe};

/// Asks what time it is. Handed in, so that this crate never does it by itself.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A device's password. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret as given at enrolment.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the server listens for MQTT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// One device of a patient.
#[derive(Debug, Clone)]
pub struct SimDevice {
    /// Its id, as enrolled.
    pub id: DeviceId,
    /// What it measures.
    pub kind: DeviceKind,
    /// Its password.
    pub secret: Secret,
}

/// One patient.
#[derive(Debug, Clone)]
pub struct SimPatient {
    /// Which person of the seed this is: keep it the same from run to run.
    pub index: u32,
    /// What they are followed for.
    pub profile: Profile,
    /// What they have at home.
    pub devices: Vec<SimDevice>,
    /// Somebody else has told the server everything that these devices measured before this moment, as far as they had
    /// a connection ([`SimConfig::fault_plan`]): history begins here, and faults are placed around it. Default none:
    /// history is [`SimConfig::history_days`] long.
    pub lived_until: Option<Timestamp>,
}

/// A whole simulation. [`SimConfig::new`] has the defaults of `vigie demo`.
#[derive(Clone)]
pub struct SimConfig {
    /// The server.
    pub address: Address,
    /// Decides everything that is random.
    pub seed: u64,
    /// Who is simulated.
    pub patients: Vec<SimPatient>,
    /// Real time.
    pub clock: Clock,
    /// Where the patients live.
    pub zone: TimeZone,
    /// How much past the first run makes up, in days. Default 14.
    pub history_days: u32,
    /// The last hours of that past which are replayed rather than sent at once. Default 6.
    pub live_hours: u32,
    /// How fast they are replayed. Default 60.
    pub speed: f64,
    /// Somebody measures a hypoglycaemia as soon as a connection is up. Default true.
    pub first_moment: bool,
    /// How often somebody measures out of rhythm afterwards. Default two minutes.
    pub moment_every: Option<Duration>,
    /// What may go wrong. Default everything.
    pub faults: FaultSwitches,
    /// Where devices keep their memory between runs. Default none: RAM alone.
    pub state_dir: Option<PathBuf>,
    /// Most readings that one device holds; beyond it measures no more until some are acknowledged. Default 20,000:
    /// two months of sensor values every five minutes.
    pub queue_capacity: usize,
    /// A publish that is not acknowledged for so long is sent again over a new connection. Default one minute: a server
    /// whose database is away is given time.
    pub ack_patience: Duration,
    /// The epoch of a device that remembers nothing. Default: the start time in seconds, which is never used twice.
    pub first_epoch: Option<u64>,
    /// Ends the run when everything measured before this moment is acknowledged. Default none: runs until told.
    pub until: Option<Timestamp>,
}

impl SimConfig {
    /// The defaults of `vigie demo`.
    pub fn new(address: Address, seed: u64, patients: Vec<SimPatient>, clock: Clock) -> Self {
        Self {
            address,
            seed,
            patients,
            clock,
            zone: central_europe(),
            history_days: 14,
            live_hours: 6,
            speed: 60.0,
            first_moment: true,
            moment_every: Some(Duration::from_secs(120)),
            faults: FaultSwitches::all(),
            state_dir: None,
            queue_capacity: 20_000,
            ack_patience: Duration::from_secs(60),
            first_epoch: None,
            until: None,
        }
    }

    /// A patient as the person whose devices measure.
    pub fn person(&self, patient: &SimPatient) -> Person {
        Person { seed: self.seed, index: patient.index, profile: patient.profile, zone: self.zone.clone() }
    }

    /// What goes wrong with a device whose history meets its live time at `live_from`. Whoever makes up the past of a
    /// device uses the same plan: what was measured after the beginning of its `offline` fault is still on the device
    /// at `live_from`, and is sent by the simulation.
    pub fn fault_plan(&self, patient: &SimPatient, device: &SimDevice, live_from: Timestamp) -> FaultPlan {
        self.plan_around(live_from, patient, device, self.first_to_measure().as_ref())
    }

    pub(crate) fn plan_around(
        &self,
        live_from: Timestamp,
        patient: &SimPatient,
        device: &SimDevice,
        first: Option<&DeviceId>,
    ) -> FaultPlan {
        let mut faults = self.faults;
        faults.offline &= first != Some(&device.id);
        FaultPlan::draw(&self.person(patient), device.kind, live_from, faults).ending_by(self.until)
    }

    /// The device of the first moment: it must not be the one that is offline then. A fingerstick meter where there is one.
    pub(crate) fn first_to_measure(&self) -> Option<DeviceId> {
        let devices = self.patients.iter().flat_map(|p| p.devices.iter().map(move |d| (d.kind, p.index, d)));
        devices
            .filter(|(kind, ..)| {
                self.first_moment && matches!(kind, DeviceKind::Glucometer | DeviceKind::Cgm)
            })
            .min_by_key(|(kind, index, _)| (*kind, *index))
            .map(|(.., device)| device.id.clone())
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let bad = |text: &str| Err(Error::Config(text.to_owned()));
        if !self.speed.is_finite() || self.speed < 1.0 {
            return bad("speed must be at least 1: the replay would never reach the present");
        }
        if self.queue_capacity < 2 {
            return bad("queue_capacity must be at least 2");
        }
        if u64::from(self.live_hours) > u64::from(self.history_days) * 24 {
            return bad("live_hours must lie within history_days");
        }
        let mut ids: Vec<_> = self.patients.iter().flat_map(|p| &p.devices).map(|d| &d.id).collect();
        ids.sort();
        if ids.iter().zip(ids.iter().skip(1)).any(|(a, b)| a == b) {
            return bad("a device id stands twice");
        }
        Ok(())
    }
}

impl fmt::Debug for SimConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimConfig")
            .field("address", &self.address)
            .field("seed", &self.seed)
            .field("patients", &self.patients.len())
            .finish_non_exhaustive()
    }
}
