//! Spreading tasks over the threads of the caller's rayon pool.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Does all `tasks` on up to `workers` threads, each taking the next task when it has finished one. `worker` makes a
/// thread's working space, once for each thread that finds a task.
///
/// # Errors
/// The error of a task; tasks that had not begun by then are not done. Nor are they if a task panics.
pub(crate) fn for_each_task<T: Send, W, E: Send>(
    workers: usize,
    tasks: Vec<T>,
    worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let workers = workers.min(tasks.len());
    let queue = Queue(Mutex::new(tasks.into_iter()));
    (0..workers).into_par_iter().with_max_len(1).try_for_each(|_| {
        let Some(mut task) = queue.next() else { return Ok(()) };
        let mut worker = worker();
        loop {
            let unless_done = ForgetTheRest(&queue);
            work(&mut worker, task)?;
            std::mem::forget(unless_done);
            match queue.next() {
                Some(another) => task = another,
                None => return Ok(()),
            }
        }
    })
}

/// Tasks that no thread has begun. Nothing that holds the lock can panic half-way.
struct Queue<T>(Mutex<std::vec::IntoIter<T>>);

impl<T> Queue<T> {
    fn next(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

/// Empties the queue when dropped: by an error or a panic.
struct ForgetTheRest<'a, T>(&'a Queue<T>);

impl<T> Drop for ForgetTheRest<'_, T> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_is_done_once() {
        let sum = AtomicUsize::new(0);
        let add = |_: &mut (), task| {
            sum.fetch_add(task, Ordering::Relaxed);
            Ok::<_, ()>(())
        };
        for_each_task(4, (1..=1000).collect(), || (), add).expect("no task fails");
        assert_eq!(sum.into_inner(), 500_500);
    }

    #[test]
    fn an_error_ends_the_work() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
        let done = AtomicUsize::new(0);
        let work = |_: &mut (), task| {
            done.fetch_add(1, Ordering::Relaxed);
            if task == 3 { Err(task) } else { Ok(()) }
        };
        let outcome = pool.install(|| for_each_task(4, (0..100).collect(), || (), work));
        assert_eq!((outcome, done.into_inner()), (Err(3), 4));
    }

    #[test]
    fn a_panic_ends_the_work_and_reaches_the_caller() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
        let done = AtomicUsize::new(0);
        let work = |_: &mut (), task| {
            done.fetch_add(1, Ordering::Relaxed);
            if task == 3 {
                std::panic::resume_unwind(Box::new("a defect"));
            }
            Ok::<_, ()>(())
        };
        let all = || pool.install(|| for_each_task(4, (0..100).collect(), || (), work));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(all)).is_err());
        assert_eq!(done.into_inner(), 4);
    }
}
