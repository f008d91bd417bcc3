//! One file of the journal.
//!
//! Header: `TANSOJ` and the format's number, the journal's id, CRC-32.
//! Frame: length, CRC-32 of the content, content. Content: first and last
//! sequence, minute, and the records as deflated JSON. All numbers
//! little-endian.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use tanso_agent_wire::energy::{JournalId, Record};

use super::JournalFault;

/// The files' ending.
pub(super) const EXTENSION: &str = "journal";

const MAGIC: &[u8; 8] = b"TANSOJ\x01\x00";
const HEADER_BYTES: usize = 20;
const FRAME_BYTES: usize = 8;
const INDEX_BYTES: usize = 24;
/// No minute of a node fills this; a longer length is a spoilt one.
const CONTENT_MAX: usize = 64 << 20;

/// Where a frame is and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    offset: u64,
    length: usize,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    pub(super) minute: i64,
}

/// A file and the frames in it.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    length: u64,
    places: Vec<Place>,
}

impl Segment {
    /// Begins a file whose first record will be `sequence`.
    pub(super) fn create(
        directory: &Path,
        id: JournalId,
        sequence: u64,
    ) -> Result<Self, JournalFault> {
        let path = directory.join(format!("energy-{sequence:020}.{EXTENSION}"));
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&id.0.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        let make = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            let mut file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .mode(crate::checkpoint::OWNER_ONLY)
                .open(&path)?;
            file.write_all(&header)?;
            file.sync_all()?;
            // The name must survive too.
            File::open(directory)?.sync_all()?;
            Ok(file)
        };
        let file = make().map_err(fault("making", &path))?;
        let length = u64::try_from(HEADER_BYTES).unwrap_or(0);
        Ok(Self {
            path,
            file,
            length,
            places: Vec::new(),
        })
    }

    /// Opens a file and cuts off what is not whole; `None` if not even its
    /// header is.
    pub(super) fn open(path: &Path) -> Result<Option<(Self, JournalId)>, JournalFault> {
        let bytes = fs::read(path).map_err(fault("reading", path))?;
        let Some(id) = read_header(&bytes) else {
            tracing::warn!(file = %path.display(), "energy journal file has no valid header and is left out");
            return Ok(None);
        };
        let mut places = Vec::new();
        let mut at = HEADER_BYTES;
        loop {
            if let Some(place) = read_place(&bytes, at) {
                at += FRAME_BYTES + place.length;
                places.push(place);
                continue;
            }
            // One that is spoilt between whole ones costs its own records only.
            let Some(next) = end_of_frame(&bytes, at) else {
                break;
            };
            if read_place(&bytes, next).is_none() {
                break;
            }
            tracing::warn!(file = %path.display(), at, "spoilt frame of the energy journal is left out");
            at = next;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(fault("opening", path))?;
        let length = u64::try_from(at).unwrap_or(0);
        if at < bytes.len() {
            let torn = bytes.len() - at;
            tracing::warn!(file = %path.display(), bytes = torn, "torn end of the energy journal is cut off");
            file.set_len(length).map_err(fault("cutting", path))?;
        }
        Ok(Some((
            Self {
                path: path.to_owned(),
                file,
                length,
                places,
            },
            id,
        )))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> u64 {
        self.length
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(super) fn first(&self) -> Option<Place> {
        self.places.first().copied()
    }

    pub(super) fn last(&self) -> Option<Place> {
        self.places.last().copied()
    }

    /// How many frames there are before the first of a minute after `minute`.
    pub(super) fn number_until(&self, minute: i64) -> usize {
        let after = self.places.iter().position(|place| place.minute > minute);
        after.unwrap_or(self.places.len())
    }

    /// Leaves the first `keep` frames. What the disk keeps of the others is
    /// written over.
    pub(super) fn cut_to(&mut self, keep: usize) {
        let Some(first) = self.places.get(keep) else {
            return;
        };
        self.length = first.offset;
        self.places.truncate(keep);
        let cut = self.file.set_len(self.length);
        if let Err(fault) = cut.and_then(|()| self.file.sync_data()) {
            tracing::warn!(file = %self.path.display(), error = %fault, "energy journal cannot be cut");
        }
    }

    /// Writes a frame; after a fault the file is as before.
    pub(super) fn append(&mut self, records: &[&Record]) -> Result<(), JournalFault> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(());
        };
        let mut place = Place {
            offset: self.length,
            length: 0,
            first_sequence: first.sequence,
            last_sequence: last.sequence,
            minute: first.minute,
        };
        let frame = encode(&mut place, records).map_err(fault("encoding for", &self.path))?;
        let mut write = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(self.length))?;
            self.file.write_all(&frame)
        };
        if let Err(source) = write() {
            // A second failure leaves a torn tail, which the next start cuts.
            let _ = self.file.set_len(self.length);
            return Err(fault("writing", &self.path)(source));
        }
        self.length += u64::try_from(frame.len()).unwrap_or(0);
        self.places.push(place);
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), JournalFault> {
        self.file.sync_data().map_err(fault("syncing", &self.path))
    }
}

/// Reads a frame's records.
pub(super) fn read(path: &Path, place: &Place) -> Result<Vec<Record>, JournalFault> {
    let content = |reason: String| JournalFault::Content {
        path: path.to_owned(),
        reason,
    };
    let mut file = File::open(path).map_err(fault("opening", path))?;
    let mut bytes = vec![0; FRAME_BYTES + place.length];
    file.seek(SeekFrom::Start(place.offset))
        .map_err(fault("reading", path))?;
    file.read_exact(&mut bytes).map_err(|source| {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return content(format!("frame at {} is cut off", place.offset));
        }
        fault("reading", path)(source)
    })?;
    if read_place(&bytes, 0).is_none() {
        return Err(content(format!("frame at {} is spoilt", place.offset)));
    }
    let deflated = bytes.get(FRAME_BYTES + INDEX_BYTES..).unwrap_or_default();
    let mut json = Vec::new();
    DeflateDecoder::new(deflated)
        .read_to_end(&mut json)
        .map_err(fault("reading", path))?;
    serde_json::from_slice(&json).map_err(|reason| content(reason.to_string()))
}

fn encode(place: &mut Place, records: &[&Record]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    content.extend_from_slice(&place.first_sequence.to_le_bytes());
    content.extend_from_slice(&place.last_sequence.to_le_bytes());
    content.extend_from_slice(&place.minute.to_le_bytes());
    let mut encoder = DeflateEncoder::new(content, Compression::fast());
    serde_json::to_writer(&mut encoder, records)?;
    let content = encoder.finish()?;
    let too_long = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "a minute's records are too many",
        )
    };
    if content.len() > CONTENT_MAX {
        return Err(too_long());
    }
    place.length = content.len();
    let length = u32::try_from(content.len()).map_err(|_| too_long())?;
    let mut frame = Vec::with_capacity(FRAME_BYTES + content.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(&content).to_le_bytes());
    frame.extend_from_slice(&content);
    Ok(frame)
}

fn read_header(bytes: &[u8]) -> Option<JournalId> {
    let crc = number_u32(bytes, HEADER_BYTES - 4)?;
    let valid = bytes.starts_with(MAGIC) && crc32fast::hash(bytes.get(..HEADER_BYTES - 4)?) == crc;
    valid.then_some(JournalId(number_u64(bytes, MAGIC.len())?))
}

/// The length of the content that the frame at `at` says to have.
fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let length = usize::try_from(number_u32(bytes, at)?).ok()?;
    (INDEX_BYTES..=CONTENT_MAX)
        .contains(&length)
        .then_some(length)
}

/// Where the frame at `at` ends, whole or not, by its own word.
fn end_of_frame(bytes: &[u8], at: usize) -> Option<usize> {
    at.checked_add(FRAME_BYTES)?
        .checked_add(length_at(bytes, at)?)
}

/// The frame at `at`, if it is whole.
fn read_place(bytes: &[u8], at: usize) -> Option<Place> {
    let length = length_at(bytes, at)?;
    let crc = number_u32(bytes, at + 4)?;
    let content = bytes.get(at + FRAME_BYTES..at + FRAME_BYTES + length)?;
    (crc32fast::hash(content) == crc).then_some(Place {
        offset: u64::try_from(at).ok()?,
        length,
        first_sequence: number_u64(content, 0)?,
        last_sequence: number_u64(content, 8)?,
        minute: i64::from_le_bytes(content.get(16..24)?.try_into().ok()?),
    })
}

fn number_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn number_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(at..at.checked_add(8)?)?.try_into().ok()?,
    ))
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalFault {
    let path = path.to_owned();
    move |source| JournalFault::Io { what, path, source }
}
