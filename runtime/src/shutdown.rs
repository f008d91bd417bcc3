//! The wish to end, told to every task once.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A shared switch that goes on once: `SIGTERM`, `SIGINT` or
/// [`Shutdown::begin`] turns it on, every task can wait for it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    switch: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A switch that only [`Shutdown::begin`] turns on.
    #[must_use]
    pub fn new() -> Self {
        Self {
            switch: Arc::new(watch::Sender::new(false)),
        }
    }

    /// A switch that `SIGTERM` and `SIGINT` turn on.
    ///
    /// # Errors
    /// If the signals cannot be listened to. Must be called within a tokio
    /// runtime with IO enabled.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let trigger = shutdown.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            // First: a log that nobody reads any more may end this task.
            trigger.begin();
            tracing::info!(signal = name, "shutting down");
        });
        Ok(shutdown)
    }

    /// Turns the switch on; it stays on.
    pub fn begin(&self) {
        self.switch.send_replace(true);
    }

    /// Whether the switch is on.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.switch.borrow()
    }

    /// Waits until the switch is on; returns at once if it is.
    pub async fn begun(&self) {
        // `self` holds the sender, so the channel cannot close meanwhile.
        let _ = self.switch.subscribe().wait_for(|on| *on).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn who_waits_late_does_not_wait() {
        let shutdown = Shutdown::new();
        let waiter = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.begun().await }
        });
        tokio::task::yield_now().await;
        shutdown.begin();
        waiter.await.unwrap();
        shutdown.begun().await;
        assert!(shutdown.has_begun());
    }
}
