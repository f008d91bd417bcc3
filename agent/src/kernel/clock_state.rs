//! Whether the kernel holds the clock for right.

#![expect(
    unsafe_code,
    reason = "a system call that fills in a structure of ours"
)]

/// Whether somebody keeps the clock by a time server: whoever sets it by hand
/// ends that, and so does the kernel when nobody did for long (adjtimex(2),
/// `STA_UNSYNC`). False too where the kernel does not say.
#[must_use]
pub fn clock_is_kept() -> bool {
    // SAFETY: a structure of plain numbers, for which zeros are values.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours and outlives the call; without modes the
    // kernel changes nothing and fills it in.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    state >= 0 && timex.status & libc::STA_UNSYNC == 0
}
