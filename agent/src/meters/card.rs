//! Which physical card a figure is of, so that no card is read from two
//! meters.
//!
//! Meters name the same card differently: NVML by a UUID, hwmon by a folder.
//! What both know is the card's place on the machine's bus.

use std::fmt;

/// A place on the machine's PCI bus.
///
/// NVML writes the domain with eight digits and the kernel with four:
///
/// ```
/// use tanso_agent::meters::BusAddress;
///
/// let told = BusAddress::try_new("00000000:41:00.0");
/// assert_eq!(told, BusAddress::try_new("0000:41:00.0"));
/// assert_eq!(told.unwrap().to_string(), "0000:41:00.0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl BusAddress {
    /// Takes `text` if it is `domain:bus:device.function`, each in
    /// hexadecimal digits.
    #[must_use]
    pub fn try_new(text: &str) -> Option<Self> {
        let (domain, rest) = text.trim().split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (device, function) = rest.split_once('.')?;
        let byte = |digits| number(digits).and_then(|number| u8::try_from(number).ok());
        Some(Self {
            domain: number(domain)?,
            bus: byte(bus)?,
            device: byte(device)?,
            function: byte(function)?,
        })
    }
}

/// A number of hexadecimal digits and nothing else: no sign.
fn number(digits: &str) -> Option<u32> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

/// An accelerator that a meter can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The meter's own name for it.
    pub id: String,
    /// Where it is, if that is known.
    pub bus: Option<BusAddress>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_on_a_bus_is_refused() {
        for odd in [
            "",
            "41:00.0",
            "0000:41:00",
            "0000:+1:00.0",
            "0000:141:00.0",
            "000000000:41:00.0x",
            ":41:00.0",
        ] {
            assert_eq!(BusAddress::try_new(odd), None, "{odd:?}");
        }
        let behind_a_bridge = BusAddress::try_new("10000:E1:00.1\n").unwrap();
        assert_eq!(behind_a_bridge.to_string(), "10000:e1:00.1");
    }
}
