//! Publication, tried in every order in which its threads can run.
//!
//! The code is that of `snapshot/publish.rs`. arc-swap, which has tests of its own, is stood in for
//! by a pointer behind a lock that promises what arc-swap documents: a swap gives the old pointer
//! back, and a cache holds what it loaded last. So this is about what is weir's own: what is
//! retired is kept until no worker reads it, is freed by the publisher alone, and is freed at last.

mod arc_swap;
#[path = "../forwarder/snapshot/publish.rs"]
mod publish;

use loom::thread;

use publish::Publisher;

/// What is published. Its drop checks who frees it.
#[derive(Debug)]
pub struct Snapshot {
    number: usize,
    made_by: thread::ThreadId,
}

impl Snapshot {
    fn new(number: usize) -> Self {
        Self {
            number,
            made_by: thread::current().id(),
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let freed_by = thread::current().id();
        assert_eq!(
            freed_by, self.made_by,
            "{} was freed by a worker",
            self.number
        );
    }
}

/// Two workers look twice each, while two snapshots are published and old ones collected.
fn published_values_are_freed_by_the_publisher() {
    let mut publisher = Publisher::new(Snapshot::new(0));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let mut subscriber = publisher.subscribe();
            thread::spawn(move || {
                subscriber.begin();
                let first = subscriber.snapshot().number;
                let second = subscriber.snapshot().number;
                assert!(first <= second, "{first} after {second}");
                // A worker's end is kept until the publisher's.
                subscriber
            })
        })
        .collect();
    for number in 1..=2 {
        publisher.publish(Snapshot::new(number));
        assert!(publisher.collect() <= number);
        assert!(publisher.retired().all(|old| old.number < number));
    }
    let mut subscribers: Vec<_> = workers.into_iter().map(|it| it.join().unwrap()).collect();
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.snapshot().number, 2);
    }
    assert_eq!(publisher.collect(), 0, "nobody reads an old value");
    assert_eq!(publisher.current().number, 2);
}

fn main() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(published_values_are_freed_by_the_publisher);
    println!("publication: every order of up to 3 preemptions holds");
}
