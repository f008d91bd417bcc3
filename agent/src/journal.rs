//! Minute records on disk: written once, kept for 48 h, read by cursor.
//!
//! Files of an hour each, of frames: length, CRC-32, content. A frame holds
//! the records of one minute and is there whole or not at all: a torn tail is
//! cut off at start. Nothing is computed here, and no record is ever changed.

mod segment;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tanso_agent_wire::energy::{Cursor, JournalId, Record};

use segment::{Place, Segment};

/// How long records are kept, seconds.
const KEPT_SECONDS: i64 = 48 * 3_600;
/// How much of time a file holds, seconds.
const SEGMENT_SECONDS: i64 = 3_600;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalFault {
    /// The disk refused.
    #[error("{what} \"{}\": {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A frame is not what was written.
    #[error("energy journal \"{}\": {reason}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The cursor is of another journal.
    #[error("journal \"{asked}\" is not kept here; the journal is \"{current}\"")]
    Unknown {
        /// The journal asked for.
        asked: JournalId,
        /// The journal there is.
        current: JournalId,
    },
    /// The cursor is ahead of the journal.
    #[error("sequence {asked} was never given out; the last is {last}")]
    Ahead {
        /// The sequence asked for.
        asked: u64,
        /// The last one given out.
        last: u64,
    },
}

/// Some records and where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records, by rising sequence.
    pub records: Vec<Record>,
    /// The cursor after them.
    pub next: Cursor,
    /// The oldest record kept; one after the last if none is. Where the records
    /// between the cursor and the page's first were spoilt, that first one.
    pub first_sequence: u64,
    /// The last record there is.
    pub last_sequence: u64,
    /// End of the last minute that is closed, seconds of Unix time; 0 before
    /// the first.
    pub closed_until: i64,
}

impl Page {
    /// Adds records as long as there is room and none is missing between them;
    /// false if there is no more to add.
    fn take(&mut self, records: impl Iterator<Item = Record>, limit: usize) -> bool {
        for record in records {
            let follows = self
                .records
                .last()
                .is_none_or(|last| record.sequence == last.sequence.saturating_add(1));
            if !follows || self.records.len() >= limit {
                return false;
            }
            self.next.sequence = record.sequence;
            self.records.push(record);
        }
        true
    }

    /// Goes on behind `sequence`, if nothing was added yet.
    fn pass_over(&mut self, sequence: u64) {
        if self.records.is_empty() {
            self.next.sequence = self.next.sequence.max(sequence);
        }
    }
}

/// The journal; shared by the one who writes and those who read.
#[derive(Debug)]
pub struct Journal {
    id: JournalId,
    directory: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    segments: Vec<Segment>,
    last_sequence: u64,
    closed_until: i64,
}

impl Journal {
    /// Opens the journal in `directory`, or begins one under the name `new`.
    /// What is torn or spoilt is cut off.
    ///
    /// # Errors
    /// If the directory cannot be read or written.
    pub fn open(directory: &Path, new: JournalId) -> Result<Self, JournalFault> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| JournalFault::Io { what, path, source }
        };
        fs::create_dir_all(directory).map_err(io("making", directory))?;
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(io("reading", directory))? {
            let path = entry.map_err(io("reading", directory))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == segment::EXTENSION)
            {
                paths.push(path);
            }
        }
        // Names are sequence numbers of equal width: order of names is order
        // of records.
        paths.sort();
        let mut inner = Inner::default();
        let mut id = None;
        for path in paths {
            let segment = Segment::open(&path)?;
            let Some((segment, found)) = segment else {
                continue;
            };
            // The oldest file's name holds; others are leftovers.
            if id.is_some_and(|id| id != found) {
                tracing::warn!(file = %path.display(), "energy records of another journal are left out");
                continue;
            }
            id = Some(found);
            inner.segments.push(segment);
        }
        if let Some(last) = inner.segments.iter().rev().find_map(Segment::last) {
            inner.last_sequence = last.last_sequence;
            inner.closed_until = last.minute + 60;
        }
        let id = id.unwrap_or(new);
        Ok(Self {
            id,
            directory: directory.to_owned(),
            inner: Mutex::new(inner),
        })
    }

    /// The journal's name.
    #[must_use]
    pub const fn id(&self) -> JournalId {
        self.id
    }

    /// Sequence number of the last record, 0 if there is none.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.lock().last_sequence
    }

    /// End of the last closed minute, seconds of Unix time; 0 before the
    /// first.
    #[must_use]
    pub fn closed_until(&self) -> i64 {
        self.lock().closed_until
    }

    /// Notes that all minutes before `end` are closed, also those without any
    /// record.
    pub fn close_until(&self, end: i64) {
        let mut inner = self.lock();
        inner.closed_until = inner.closed_until.max(end);
    }

    /// Notes that records up to `sequence` were given out, also those that the
    /// disk spoilt since: no number is given out twice, and a reader who is
    /// ahead of what is left is not refused.
    pub fn skip_to(&self, sequence: u64) {
        let mut inner = self.lock();
        inner.last_sequence = inner.last_sequence.max(sequence);
    }

    /// Size on disk, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().segments.iter().map(Segment::bytes).sum()
    }

    /// Writes records to disk, for good when it returns. Records that are in
    /// the journal already are passed over, so a call may be repeated.
    ///
    /// # Errors
    /// If the disk refuses; what was not written can be given again.
    pub fn append(&self, records: &[Record]) -> Result<(), JournalFault> {
        let mut inner = self.lock();
        let known = inner.last_sequence;
        let new: Vec<&Record> = records
            .iter()
            .filter(|record| record.sequence > known)
            .collect();
        for minute in new.chunk_by(|a, b| a.minute == b.minute) {
            let (Some(first), Some(last)) = (minute.first(), minute.last()) else {
                continue;
            };
            // A file without a frame (its only one was torn) is used again.
            let full = inner.segments.last().is_none_or(|segment| {
                segment
                    .first()
                    .is_some_and(|begin| first.minute >= begin.minute + SEGMENT_SECONDS)
            });
            if full {
                let segment = Segment::create(&self.directory, self.id, first.sequence)?;
                inner.segments.push(segment);
            }
            if let Some(segment) = inner.segments.last_mut() {
                segment.append(minute)?;
            }
            inner.last_sequence = last.sequence;
            inner.closed_until = inner.closed_until.max(last.minute + 60);
        }
        if let (Some(last), false) = (new.last(), new.is_empty()) {
            inner.sync()?;
            inner.drop_before(last.minute - KEPT_SECONDS);
        }
        Ok(())
    }

    /// Takes the records from the first of a minute after `minute` on out again,
    /// and hands each to `each`: of a clock that was ahead. Their numbers are
    /// not given out again.
    ///
    /// # Errors
    /// If a file cannot be read; then all is as before.
    pub fn take_back(&self, minute: i64, mut each: impl FnMut(Record)) -> Result<(), JournalFault> {
        let mut inner = self.lock();
        let cuts: Vec<usize> = inner
            .segments
            .iter()
            .map(|segment| segment.number_until(minute))
            .collect();
        for (segment, &keep) in inner.segments.iter().zip(&cuts) {
            for place in segment.places().iter().skip(keep) {
                match segment::read(segment.path(), place) {
                    Ok(records) => records.into_iter().for_each(&mut each),
                    Err(fault @ JournalFault::Content { .. }) => {
                        tracing::warn!(error = %fault, "spoilt energy records are left out");
                    }
                    Err(fault) => return Err(fault),
                }
            }
        }
        for (segment, keep) in inner.segments.iter_mut().zip(cuts) {
            segment.cut_to(keep);
        }
        while let Some(last) = inner.segments.last()
            && last.places().is_empty()
        {
            if let Err(fault) = fs::remove_file(last.path()) {
                tracing::warn!(file = %last.path().display(), error = %fault, "empty file of the energy journal cannot be removed");
            }
            inner.segments.pop();
        }
        let last = inner.segments.iter().rev().find_map(Segment::last);
        inner.closed_until = last.map_or(0, |place| place.minute + 60);
        Ok(())
    }

    /// At most `limit` records after `since`; from the oldest without it. They
    /// follow one another: where the disk spoilt some, a page ends, and the
    /// next one begins behind them and says so by its `first_sequence`.
    ///
    /// # Errors
    /// If the cursor is not of this journal, or a file cannot be read.
    pub fn page(&self, since: Option<&Cursor>, limit: usize) -> Result<Page, JournalFault> {
        let (places, mut page) = self.locate(since, limit)?;
        let after = page.next.sequence;
        if places.is_empty() && limit > 0 {
            // All there is was read; numbers without a record were spoilt.
            page.next.sequence = page.last_sequence;
        }
        for (path, place) in places {
            let records = match segment::read(&path, &place) {
                Ok(records) => records,
                Err(fault @ JournalFault::Content { .. }) => {
                    // What is not there any more must not keep the rest back.
                    tracing::warn!(error = %fault, "spoilt energy records are left out");
                    page.pass_over(place.last_sequence);
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let wanted = records.into_iter().filter(|record| record.sequence > after);
            if !page.take(wanted, limit) {
                break;
            }
        }
        if let Some(first) = page.records.first()
            && first.sequence > after.saturating_add(1)
        {
            page.first_sequence = page.first_sequence.max(first.sequence);
        }
        Ok(page)
    }

    /// Where the records are; files are read without the lock.
    fn locate(
        &self,
        since: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<(PathBuf, Place)>, Page), JournalFault> {
        let inner = self.lock();
        let last = inner.last_sequence;
        if let Some(cursor) = since {
            if cursor.journal != self.id {
                let (asked, current) = (cursor.journal, self.id);
                return Err(JournalFault::Unknown { asked, current });
            }
            if cursor.sequence > last {
                return Err(JournalFault::Ahead {
                    asked: cursor.sequence,
                    last,
                });
            }
        }
        let first = inner.segments.iter().find_map(Segment::first);
        let first_sequence = first.map_or(last + 1, |place| place.first_sequence);
        let after = since.map_or(first_sequence.saturating_sub(1), |cursor| cursor.sequence);
        let mut count = 0;
        let mut places = Vec::new();
        for segment in &inner.segments {
            for place in segment
                .places()
                .iter()
                .filter(|place| place.last_sequence > after)
            {
                if count >= limit {
                    break;
                }
                let from = place.first_sequence.max(after + 1);
                count += usize::try_from(place.last_sequence + 1 - from).unwrap_or(usize::MAX);
                places.push((segment.path().to_owned(), *place));
            }
        }
        let page = Page {
            records: Vec::new(),
            next: Cursor {
                journal: self.id,
                sequence: after,
            },
            first_sequence,
            last_sequence: last,
            closed_until: inner.closed_until,
        };
        Ok((places, page))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock, and each change is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn sync(&self) -> Result<(), JournalFault> {
        self.segments.last().map_or(Ok(()), Segment::sync)
    }

    /// Removes whole files that end before `minute`; the last stays.
    fn drop_before(&mut self, minute: i64) {
        while self.segments.len() > 1
            && let Some(oldest) = self.segments.first()
            && oldest.last().is_none_or(|place| place.minute < minute)
        {
            if let Err(fault) = fs::remove_file(oldest.path()) {
                tracing::warn!(file = %oldest.path().display(), error = %fault, "old energy records cannot be removed");
            }
            self.segments.remove(0);
        }
    }
}

#[cfg(test)]
mod tests;
