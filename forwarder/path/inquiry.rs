//! What the management thread asks a worker about its sessions.
//!
//! A question is a buffer that the asker allocates, the worker fills and the asker frees: one
//! ring leads there, one back.

use std::net::{Ipv4Addr, Ipv6Addr};

use crossbeam::queue::ArrayQueue;

use super::Recall;
use crate::session::{Family, Session};

/// Questions under way at once, to one worker: an asker waits for the answer before it asks again.
const UNDER_WAY: usize = 1;

/// Sessions from a place in the table on.
#[derive(Debug)]
pub struct Page<A: Family = Ipv4Addr> {
    /// The first place to look at; the worker puts there where to go on.
    pub from: u32,
    /// True once there is nothing beyond.
    pub last: bool,
    /// What was found. Has room for `limit` from the start.
    pub sessions: Vec<Session<A>>,
    /// The most that are asked for.
    pub limit: usize,
}

impl<A: Family> Page<A> {
    /// An empty page for `limit` sessions that begins at `from`.
    pub fn new(from: u32, limit: usize) -> Box<Self> {
        Box::new(Self {
            from,
            last: false,
            sessions: Vec::with_capacity(limit),
            limit,
        })
    }
}

/// A question to a worker, and the answer.
#[derive(Debug)]
pub enum Inquiry {
    /// Remove every session whose time is up, so that counts are exact.
    Sweep,
    /// Copy sessions out, until the page is full or the last.
    Page(Box<Page>),
    /// The same of IPv6.
    Page6(Box<Page<Ipv6Addr>>),
    /// Copy out what decides about one flow.
    Recall(Box<Recall>),
}

/// The two rings between the management thread and one worker.
#[derive(Debug)]
pub struct Inquiries {
    /// Questions.
    pub asked: ArrayQueue<Inquiry>,
    /// The same, answered.
    pub answered: ArrayQueue<Inquiry>,
}

impl Default for Inquiries {
    fn default() -> Self {
        Self {
            asked: ArrayQueue::new(UNDER_WAY),
            answered: ArrayQueue::new(UNDER_WAY),
        }
    }
}
