//! Pages of the program's own file.
//!
//! Loading kernel programs, reading settings and making connections run once
//! and touch most of the program, code and tables alike; so does the start
//! itself, which reads where the program's addresses stand. Reading and serving
//! touch a small part of it, for ever. The kernel keeps what was touched mapped
//! until memory is short. This room lets go of it; what is needed again comes
//! from the page cache.

#![expect(unsafe_code, reason = "a system call on our own program's addresses")]

use std::fs;
use std::io;
use std::ops::Range;

/// Lets go of the pages of the program's file that are mapped now.
///
/// # Errors
/// If the mappings cannot be read, or the kernel refuses.
pub fn let_go_of_program() -> io::Result<()> {
    let program = fs::read_link("/proc/self/exe")?;
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    for range in unchanged(&smaps, &program.to_string_lossy()) {
        // SAFETY: the range is of the program's file, mapped privately, not
        // writable, and has no page of its own, so it holds nothing but the
        // file's bytes: a page that is let go of is read from there again when
        // it is needed.
        let result = unsafe {
            libc::madvise(
                std::ptr::with_exposed_provenance_mut(range.start),
                range.len(),
                libc::MADV_DONTNEED,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The addresses at which a program's file is mapped as it is: code, and tables
/// that nobody may write. A mapping with pages of its own is not among them:
/// some hold addresses that were filled in at the start.
fn unchanged(smaps: &str, program: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<Range<usize>> = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { continue };
        if !first.ends_with(':') {
            open = mapping(line, program);
        } else if first == "Anonymous:"
            && let Some(range) = open.take()
            && words.next() == Some("0")
        {
            found.push(range);
        }
    }
    found
}

/// A mapping's addresses by its first line, if it is of the program's file and
/// nobody may write there.
fn mapping(line: &str, program: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let path = words.nth(3)?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    (matches!(rights, "r-xp" | "r--p") && path == program && !range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_the_program_s_own_file_is_let_go_of() {
        let smaps = "\
55e0-55f0 r--p 00000000 fe:00 12 /usr/bin/tanso-agent
Rss:                  12 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
55f0-5700 r-xp 00010000 fe:00 12 /usr/bin/tanso-agent
Anonymous:             0 kB
5700-5710 r--p 00120000 fe:00 12 /usr/bin/tanso-agent
Anonymous:             8 kB
5710-5720 rw-p 00130000 fe:00 12 /usr/bin/tanso-agent
Anonymous:             0 kB
5720-5730 r-xp 00130000 fe:00 12 /usr/bin/tanso-agent
Anonymous:             4 kB
7f00-7f10 r-xp 00000000 fe:00 13 /usr/lib/libc.so.6
Anonymous:             0 kB
7f20-7f20 r-xp 00000000 fe:00 12 /usr/bin/tanso-agent
Anonymous:             0 kB
7ffd-7ffe r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
";
        let found = unchanged(smaps, "/usr/bin/tanso-agent");
        assert_eq!(found, [0x55e0..0x55f0, 0x55f0..0x5700]);
        assert!(unchanged(smaps, "/usr/bin/other").is_empty());
    }

    #[test]
    fn the_program_runs_on_without_its_pages() {
        let before = mapped();
        let_go_of_program().unwrap();
        let after = mapped();
        assert!(after < before, "{before} kB before, {after} kB after");
    }

    /// Resident kilobytes of this program's unchanged parts.
    fn mapped() -> u64 {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_ours = false;
        let mut sum = 0;
        for line in smaps.lines() {
            if line.contains(" r") && line.contains('-') && !line.contains(" kB") {
                is_ours = mapping(line, &program.to_string_lossy()).is_some();
            } else if let Some(rss) = line.strip_prefix("Rss:").filter(|_| is_ours) {
                sum += rss.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            }
        }
        sum
    }
}
