//! What all measurements of time in this process let choose.

use clap::Args;

use crate::{
    site::{Mode, Services},
    traffic::Protocol,
};

#[derive(Args, Debug)]
pub struct Choice {
    /// The scheduler of all services, as the configuration has it
    #[arg(long, default_value = "Maglev")]
    pub scheduler: String,
    /// Rounds, in each of which all alternatives are measured
    #[arg(long, default_value_t = 12)]
    pub rounds: usize,
}

impl Choice {
    /// The services of a director. What comes in is TCP.
    pub fn services(&self, mode: Mode) -> Services {
        Services::usual(mode, Protocol::Tcp, &self.scheduler)
    }

    /// As reports say it, of all modes.
    pub fn described(&self) -> String {
        self.services(Mode::Dr).described()
    }
}
