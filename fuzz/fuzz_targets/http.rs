#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sipward_fuzz::http(data);
});
