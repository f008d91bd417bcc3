//! Pages of the program's own code.
//!
//! Loading kernel programs, reading settings and making connections run once
//! and touch most of the program; reading and serving touch a small part of it,
//! for ever. The kernel keeps what was touched mapped until memory is short.
//! This room lets go of it; what is needed again comes from the page cache.

#![expect(unsafe_code, reason = "a system call on our own code's addresses")]

use std::fs;
use std::io;
use std::ops::Range;

/// Lets go of the pages of the program's code that are mapped now.
///
/// # Errors
/// If the mappings cannot be read, or the kernel refuses.
pub fn let_go_of_code() -> io::Result<()> {
    let program = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    for range in code(&maps, &program.to_string_lossy()) {
        // SAFETY: the range is code of the program's file, mapped privately,
        // readable and not writable, so it holds nothing but the file's bytes: a
        // page that is let go of is read from there again when it is needed.
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

/// The addresses at which a program's code is mapped. Other parts of the file
/// are not among them: some hold addresses that were filled in at the start.
fn code(maps: &str, program: &str) -> Vec<Range<usize>> {
    let of = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let path = words.nth(3)?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let range = address(start)?..address(end)?;
        (rights == "r-xp" && path == program && !range.is_empty()).then_some(range)
    };
    maps.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_s_own_code_is_let_go_of() {
        let maps = "\
55e0-55f0 r--p 00000000 fe:00 12 /usr/bin/tanso-agent
55f0-5700 r-xp 00010000 fe:00 12 /usr/bin/tanso-agent
5700-5710 r--p 00120000 fe:00 12 /usr/bin/tanso-agent
5710-5720 rwxp 00130000 fe:00 12 /usr/bin/tanso-agent
7f00-7f10 r-xp 00000000 fe:00 13 /usr/lib/libc.so.6
7f20-7f20 r-xp 00000000 fe:00 12 /usr/bin/tanso-agent
7ffd-7ffe r-xp 00000000 00:00 0 [vdso]
";
        let found = code(maps, "/usr/bin/tanso-agent");
        assert_eq!(found, std::slice::from_ref(&(0x55f0..0x5700)));
        assert!(code(maps, "/usr/bin/other").is_empty());
    }

    #[test]
    fn the_program_runs_on_without_its_pages() {
        let before = mapped();
        let_go_of_code().unwrap();
        let after = mapped();
        assert!(after < before, "{before} kB before, {after} kB after");
    }

    /// Resident kilobytes of this program's code.
    fn mapped() -> u64 {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_code = false;
        let mut sum = 0;
        for line in smaps.lines() {
            if line.contains(" r") && line.contains('-') && !line.contains(" kB") {
                is_code = line.contains("r-xp") && line.ends_with(&*program.to_string_lossy());
            } else if let Some(rss) = line.strip_prefix("Rss:").filter(|_| is_code) {
                sum += rss.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            }
        }
        sum
    }
}
