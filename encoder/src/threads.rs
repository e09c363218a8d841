//! Spreading tasks over the threads of the caller's rayon pool.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Does all `tasks`, each thread taking the next one when it has finished one. `worker` makes a thread's working
/// space, once for each thread that finds a task.
///
/// # Errors
/// The first error of a task; tasks that had not begun by then are not done.
pub(crate) fn for_each_task<T: Send, W, E: Send>(
    tasks: Vec<T>,
    worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let threads = rayon::current_num_threads().min(tasks.len());
    let tasks = Mutex::new(tasks.into_iter());
    // Nothing that holds the lock can panic half-way.
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let forget_the_rest = || tasks.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
    (0..threads).into_par_iter().with_max_len(1).try_for_each(|_| {
        let Some(mut task) = next() else { return Ok(()) };
        let mut worker = worker();
        loop {
            work(&mut worker, task).inspect_err(|_| forget_the_rest())?;
            match next() {
                Some(another) => task = another,
                None => return Ok(()),
            }
        }
    })
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
        for_each_task((1..=1000).collect(), || (), add).expect("no task fails");
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
        let outcome = pool.install(|| for_each_task((0..100).collect(), || (), work));
        assert_eq!((outcome, done.into_inner()), (Err(3), 4));
    }
}
