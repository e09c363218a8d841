//! Group commit: transactions that wait together share one fsync.

use std::sync::Arc;
use std::thread::JoinHandle;

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::transactions::Abort;
use crate::ledger::LedgerError;

/// Transactions that may wait for the disk; beyond them callers wait to enqueue theirs.
const WAITING_MAX: usize = 256;

/// Transactions under one fsync. More would make the first of them wait for the last.
const BATCH_MAX: usize = 64;

/// Says the outcome to whoever waits, once it is durable.
type Acknowledge = Box<dyn FnOnce() + Send>;

/// One transaction's work; the answer is given only after the commit.
type Job = Box<dyn FnOnce(&WriteTransaction) -> Result<Acknowledge, redb::Error> + Send>;

/// The ledger's writer has stopped or its disk has failed. The transaction may or may not be durable.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ledger could not acknowledge the transaction")]
pub struct NotAcknowledged;

/// The only place that writes to the database: one thread, one commit at a time.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(database: Arc<Database>) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || write_batches(&database, waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `transaction` and answers once it is durable. It must refuse before it writes anything: what it wrote
    /// before a refusal is committed with its neighbours.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        transaction: impl FnOnce(&WriteTransaction) -> Result<T, Abort> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer_tx, answer_rx) = oneshot::channel();
        let job: Job = Box::new(move |write| {
            let answer = match transaction(write) {
                Ok(done) => Ok(done),
                Err(Abort::Refused(refusal)) => Err(refusal),
                Err(Abort::Failed(failure)) => return Err(failure),
            };
            Ok(Box::new(move || {
                // The caller may have gone away; the transaction stands all the same.
                let _ = answer_tx.send(answer);
            }))
        });
        let jobs = self.jobs.as_ref().expect("taken only when dropped");
        jobs.send(job).await.map_err(|_| LedgerError::Unavailable(Box::new(NotAcknowledged)))?;
        answer_rx.await.unwrap_or_else(|_| Err(LedgerError::OutcomeUnknown(Box::new(NotAcknowledged))))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None; // The thread ends once the queue is empty.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("ledger writer panicked");
        }
    }
}

fn write_batches(database: &Database, mut waiting: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        // Answers of a failed batch are dropped unsent, which its callers see as an unknown outcome.
        match write(database, batch.drain(..)) {
            Ok(answers) => answers.into_iter().for_each(|acknowledge| acknowledge()),
            Err(error) => error!(%error, "ledger commit failed"),
        }
    }
}

fn write(database: &Database, batch: impl Iterator<Item = Job>) -> Result<Vec<Acknowledge>, redb::Error> {
    let transaction = database.begin_write()?;
    let answers = batch.map(|job| job(&transaction)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(answers)
}
