//! Asks one worker, and waits for the answer aside.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::sleep};

use crate::path::{Inquiries, Inquiry};

/// Between two looks whether the worker has answered.
const LOOK: Duration = Duration::from_micros(200);

/// Who asks one worker: one question at a time, so that answers find who asked.
#[derive(Debug)]
pub(super) struct Inquirer {
    inquiries: Arc<Inquiries>,
    /// Questions whose answers have not come, of those too that nobody waits for any more.
    under_way: Mutex<usize>,
}

impl Inquirer {
    /// Asks by these rings, which nobody else does.
    pub(super) fn new(inquiries: Arc<Inquiries>) -> Self {
        Self {
            inquiries,
            under_way: Mutex::new(0),
        }
    }

    /// Asks, and waits for the answer. Who no longer wants it may stop to wait.
    pub(super) async fn ask(&self, question: Inquiry) -> Option<Inquiry> {
        let mut under_way = self.under_way.lock().await;
        while *under_way > 0 {
            self.answer().await;
            *under_way -= 1;
        }
        self.inquiries.asked.push(question).ok()?;
        *under_way += 1;
        let answer = self.answer().await;
        *under_way -= 1;
        Some(answer)
    }

    /// The next answer. Nothing is lost where this is not waited for to the end.
    async fn answer(&self) -> Inquiry {
        loop {
            if let Some(answer) = self.inquiries.answered.pop() {
                return answer;
            }
            sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::path::Page;

    fn page(from: u32) -> Inquiry {
        Inquiry::Page(Page::new(from, 1))
    }

    fn from(answer: Option<Inquiry>) -> Option<u32> {
        match answer? {
            Inquiry::Page(page) => Some(page.from),
            _ => None,
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_goes_to_nobody() {
        let inquiries = Arc::new(Inquiries::default());
        let inquirer = Inquirer::new(Arc::clone(&inquiries));
        let impatient = timeout(Duration::from_millis(5), inquirer.ask(page(1))).await;
        assert!(impatient.is_err());
        // The worker comes to the first question when the second has been asked.
        let worker = async {
            for _ in 0..2 {
                sleep(Duration::from_millis(5)).await;
                let question = loop {
                    match inquiries.asked.pop() {
                        Some(question) => break question,
                        None => sleep(LOOK).await,
                    }
                };
                inquiries.answered.push(question).unwrap();
            }
        };
        let (answer, ()) = tokio::join!(inquirer.ask(page(2)), worker);
        assert_eq!(from(answer), Some(2));
        assert!(inquiries.asked.is_empty() && inquiries.answered.is_empty());
    }

    #[tokio::test]
    async fn each_of_many_gets_its_own_answer() {
        let inquiries = Arc::new(Inquiries::default());
        let inquirer = Inquirer::new(Arc::clone(&inquiries));
        let worker = async {
            let mut left = 30;
            while left > 0 {
                if let Some(question) = inquiries.asked.pop() {
                    inquiries.answered.push(question).unwrap();
                    left -= 1;
                }
                sleep(LOOK).await;
            }
        };
        let ask = |first: u32| {
            let inquirer = &inquirer;
            async move {
                for number in first..first + 10 {
                    assert_eq!(from(inquirer.ask(page(number)).await), Some(number));
                }
            }
        };
        tokio::join!(ask(100), ask(200), ask(300), worker);
    }
}
