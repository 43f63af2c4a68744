//! The macros with which a section and its keys are declared, once.

/// Declares the keys of a section: the struct that the section is read into, and the rows of the table.
///
/// A row is `field: Type = presence, VALUE_TYPE, effect, "meaning" => COMPARE;`. `presence` is `required` (the field is
/// an `Option`, since a file without the key is read on for its other faults), `optional("what holds instead")` or
/// `default(value)`. `effect` is `reload`, `restart` or `restart_in_part`. `field as "name"` is for a key whose
/// name is a word of Rust. With `compares Context, Item` each row states how two generations are compared in it; a row
/// without `=> COMPARE` takes the field of the same name.
/// Everything that could disagree is made here from one row: the field, its reading, its default, its
/// place in the docs and its comparison. A row without a field, or a field without a row, cannot be
/// written.
macro_rules! keys {
    (
        $(#[$attribute:meta])*
        $vis:vis struct $struct:ident $(compares $context:ty, $item:ty)? {
            $(
                $field:ident $(as $name:literal)? : $type:ty =
                $presence:ident $(($argument:expr))?, $value:expr,
                $effect:ident,
                $meaning:expr $(=> $compare:expr)?;
            )+
        }
    ) => {
        $(#[$attribute])*
        $vis struct $struct {
            $(#[doc = $meaning] $vis $field: $type,)+
        }

        impl $struct {
            /// The rows of the table.
            pub(crate) const KEYS: &'static [$crate::topology::keys::Key] = &[$(
                $crate::topology::keys::Key {
                    name: $crate::topology::keys::keys!(@name $field $($name)?),
                    value: $value,
                    presence: $crate::topology::keys::keys!(@presence $type, $presence $(($argument))?),
                    effect: $crate::topology::keys::keys!(@effect $effect),
                    meaning: $meaning,
                }
            ),+];
        }

        impl Default for $struct {
            fn default() -> Self {
                Self { $($field: $crate::topology::keys::keys!(@absent $presence $(($argument))?),)+ }
            }
        }

        impl $crate::topology::keys::FromToml for $struct {
            fn from_toml(value: &toml::Spanned<toml::de::DeValue<'_>>) -> Option<Self> {
                let toml::de::DeValue::Table(table) = value.get_ref() else {
                    return None;
                };
                Some(Self {$(
                    $field: table
                        .get($crate::topology::keys::keys!(@name $field $($name)?))
                        .and_then($crate::topology::keys::FromToml::from_toml)
                        .unwrap_or_else(|| $crate::topology::keys::keys!(@absent $presence $(($argument))?)),
                )+})
            }
        }

        $crate::topology::keys::keys!(@compare $struct $(, $context, $item)? { $($field $(($compare))?;)+ });
    };

    // The inner rules begin with `@` and a word, so that they are not taken for a section.
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };

    // `Required` and `Optional` have no value; only a default is turned into text, and only when
    // somebody asks.
    (@presence $type:ty, required) => { $crate::topology::keys::Presence::Required };
    (@presence $type:ty, optional($instead:expr)) => { $crate::topology::keys::Presence::Optional($instead) };
    (@presence $type:ty, default($default:expr)) => {
        $crate::topology::keys::Presence::Default(|of| {
            let value: $type = $default;
            $crate::topology::keys::ToToml::to_toml(&value, of)
        })
    };

    // What the field holds without the key. `Default::default()` is `None` or an empty list: the loader
    // decides what that means, as it depends on other keys.
    (@absent required) => { Default::default() };
    (@absent optional($instead:expr)) => { Default::default() };
    (@absent default($default:expr)) => { $default };

    (@effect reload) => { $crate::topology::keys::Effect::Reload };
    (@effect restart) => { $crate::topology::keys::Effect::Restart };
    (@effect restart_in_part) => { $crate::topology::keys::Effect::RestartInPart };

    // A section whose generations are compared as a whole has no rows to compare: its `compares` is
    // left out.
    (@compare $struct:ident { $($ignored:tt)+ }) => {};
    (@compare $struct:ident, $context:ty, $item:ty { $($field:ident $(($compare:expr))?;)+ }) => {
        impl $crate::topology::keys::Compared for $struct {
            type Context = $context;
            type Item = $item;
            const ROWS: &'static [$crate::topology::keys::Key] = Self::KEYS;
            const COMPARE: &'static [$crate::topology::keys::Compare<$context, $item>] = &[
                $($crate::topology::keys::keys!(@how $field $(($compare))?),)+
            ];
        }
    };
    // A field of the loaded item often has the name of its key; then the row need not say how it is
    // compared.
    (@how $field:ident) => {
        $crate::topology::keys::Compare::Value(|_, item| $crate::topology::keys::Show::show(&item.$field))
    };
    (@how $field:ident ($compare:expr)) => { $compare };
}
pub(crate) use keys;

/// Declares an enum whose variants are words of the topology file.
///
/// The word is written once: reading, messages, docs, schema and `check` show the same.
macro_rules! words {
    ($(
        $(#[$attribute:meta])*
        $vis:vis enum $enum:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }
    )+) => { $(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $enum { $($(#[$doc])* $variant,)+ }

        impl $enum {
            /// Every word, in the order of the docs.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),+];

            /// What a word stands for.
            pub(crate) fn from_word(word: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|known| known.word() == word)
            }

            /// The word that stands for it in the topology file.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::topology::keys::FromToml for $enum {
            fn from_toml(value: &toml::Spanned<toml::de::DeValue<'_>>) -> Option<Self> {
                // An unknown word was reported by the reader, with the nearest one; here it is only
                // absent.
                Self::from_word(value.get_ref().as_str()?)
            }
        }

        impl $crate::topology::keys::ToToml for $enum {
            fn to_toml(&self, _: $crate::topology::keys::ValueType) -> String {
                format!("\"{}\"", self.word())
            }
        }

        impl $crate::topology::keys::Show for $enum {
            fn show(&self) -> $crate::topology::keys::ShownValue {
                $crate::topology::keys::ShownValue::Text(self.word().to_owned())
            }
        }
    )+ };
}
pub(crate) use words;
