//! The fields of a message that the proxy reads, each parsed when it is asked for.
//!
//! A field that nobody asks for is relayed as it is, however odd. That keeps a proxy out of the way of extensions that it
//! does not know, and keeps the cost of a message to what routing needs.
use super::{Address, CSeq, HeaderName, Malformed, Message, Rule, Via, grammar};

impl<'a> Message<'a> {
    /// The topmost Via value.
    ///
    /// # Errors
    /// `missing_header`, or as [`Via::parse`].
    pub fn top_via(&self) -> Result<Via<'a>, Malformed> {
        let name = HeaderName::Via;
        // The first value of the first line: Via is a list, and each hop may add a line or prefix a value.
        let line = self.index().named(name).next();
        let line = line.ok_or(self.missing(name))?;
        let value = self.values_of(line).next().ok_or(self.missing(name))??;
        self.via(value)
    }

    /// All Via values by generic syntax, in order.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'a>, Malformed>> + '_ {
        self.values(HeaderName::Via).map(|value| self.via(value?))
    }

    /// From (exactly one).
    ///
    /// # Errors
    /// `missing_header`, `duplicate_header`, `duplicate_tag`, or as [`Address::parse`].
    pub fn from(&self) -> Result<Address<'a>, Malformed> {
        self.party(HeaderName::From)
    }

    /// To (exactly one).
    ///
    /// # Errors
    /// As [`Self::from`].
    pub fn to(&self) -> Result<Address<'a>, Malformed> {
        self.party(HeaderName::To)
    }

    /// Call-ID (exactly one).
    ///
    /// # Errors
    /// `missing_header`, `duplicate_header`, `bad_call_id` (empty, or white space in it).
    pub fn call_id(&self) -> Result<&'a [u8], Malformed> {
        let name = HeaderName::CallId;
        let value = self.single(name)?.ok_or(self.missing(name))?;
        // Without branches, so that it is a vector loop.
        let is_odd = |odd, &b: &u8| odd | (b <= b' ') | (b == 0x7f);
        if !value.is_empty() && !value.iter().fold(false, is_odd) {
            Ok(value)
        } else {
            Err(self.malformed(name, value, 0, Rule::BadCallId))
        }
    }

    /// CSeq (exactly one).
    ///
    /// # Errors
    /// `missing_header`, `duplicate_header`, `bad_cseq` (also a number of 2**31 or more, RFC 3261 §8.1.1.5).
    pub fn cseq(&self) -> Result<CSeq<'a>, Malformed> {
        let name = HeaderName::CSeq;
        let value = self.single(name)?.ok_or(self.missing(name))?;
        CSeq::parse(value).ok_or_else(|| self.malformed(name, value, 0, Rule::BadCSeq))
    }

    /// Max-Forwards, 0..=255; `None` when absent.
    ///
    /// # Errors
    /// `duplicate_header`, `bad_max_forwards`.
    pub fn max_forwards(&self) -> Result<Option<u8>, Malformed> {
        let name = HeaderName::MaxForwards;
        let Some(value) = self.single(name)? else {
            return Ok(None);
        };
        grammar::decimal(value)
            .and_then(|hops| u8::try_from(hops).ok())
            .map(Some)
            .ok_or_else(|| self.malformed(name, value, 0, Rule::BadMaxForwards))
    }

    /// Max-Breadth (RFC 5393 §5.3.3).
    ///
    /// # Errors
    /// `duplicate_header`; `bad_max_breadth` when it is no number below 2**32.
    pub fn max_breadth(&self) -> Result<Option<u32>, Malformed> {
        let name = HeaderName::MaxBreadth;
        let Some(value) = self.single(name)? else {
            return Ok(None);
        };
        grammar::decimal(value)
            .and_then(|breadth| u32::try_from(breadth).ok())
            .map(Some)
            .ok_or_else(|| self.malformed(name, value, 0, Rule::BadMaxBreadth))
    }

    /// Route values in order.
    pub fn routes(&self) -> impl Iterator<Item = Result<Address<'a>, Malformed>> + '_ {
        self.addresses(HeaderName::Route)
    }

    /// The values of a list of addresses (Route, Record-Route, Path, Service-Route, Contact), in order.
    pub fn addresses(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<Address<'a>, Malformed>> + '_ {
        self.values(name)
            .map(move |value| self.address(name, value?))
    }

    fn party(&self, name: HeaderName) -> Result<Address<'a>, Malformed> {
        let value = self.single(name)?.ok_or(self.missing(name))?;
        let address = self.address(name, value)?;
        if address.has_bad_tag {
            return Err(self.malformed(name, address.params, 0, Rule::DuplicateTag));
        }
        Ok(address)
    }

    fn via(&self, value: &'a [u8]) -> Result<Via<'a>, Malformed> {
        Via::parse(value).map_err(|e| self.malformed(HeaderName::Via, value, e.offset, e.rule))
    }

    fn address(&self, name: HeaderName, value: &'a [u8]) -> Result<Address<'a>, Malformed> {
        Address::parse(value).map_err(|e| self.malformed(name, value, e.offset, e.rule))
    }
}
