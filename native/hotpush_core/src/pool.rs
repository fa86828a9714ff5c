//! A pool of threads, as many as are useful for reading small files.

use rayon::{ThreadPool, ThreadPoolBuilder};

const MAX_THREADS: usize = 8;

/// Runs it inside a pool that ends with it. If no threads can be started, it runs in this thread.
pub(crate) fn within<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match build() {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

fn build() -> Option<ThreadPool> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    ThreadPoolBuilder::new()
        .num_threads(cpus.min(MAX_THREADS))
        .thread_name(|index| format!("hotpush-{index}"))
        .build()
        .ok()
}
