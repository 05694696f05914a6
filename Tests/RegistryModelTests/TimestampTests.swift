import RegistryModel
import TestSupport
import Testing

@Suite("Times")
struct TimestampTests {
    @Test(
        "RFC 3339 is read",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59.999999999Z", -1),
            ("2000-02-29t12:00:00z", 951_825_600_000_000_000),
            ("2026-11-24 14:05:12.481+00:00", 1_795_529_112_481_000_000),
            ("2026-11-24T15:35:12.481+01:30", 1_795_529_112_481_000_000),
            ("2026-11-24T04:05:12.481-10:00", 1_795_529_112_481_000_000), ("1970-01-01T00:00:60Z", 59_000_000_000),
            ("2262-04-11T23:47:15Z", 9_223_372_035_000_000_000),
        ]
    )
    func reads(_ text: String, _ nanoseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.rawValue == nanoseconds)
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "", "2026", "2026-11-24", "2026-11-24T14:05:12", "2026-11-24T14:05Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.0123456789Z", "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Zx", "+026-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z", "2026-01-01T00:00:00é",
        ]
    )
    func refuses(_ text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test("what is written reads back, to the millisecond")
    func roundTrip() {
        var random = SeededGenerator(usual: 8)
        for _ in 0..<2_000 {
            // Within 1678 and 2262, whose ends are half a second from what 64 bits hold.
            let time = Timestamp(rawValue: Int64(bitPattern: random.next()) / 1_000 * 999)
            let read = Timestamp(rfc3339: time.description)
            let lost = read.map { time.since($0).nanoseconds } ?? -1
            #expect((0..<1_000_000).contains(lost), "\(time.rawValue)")
        }
        #expect(Sample.time.description == "2026-11-24T14:05:12.481Z")
    }

    @Test("arithmetic saturates instead of trapping")
    func saturation() {
        let (first, last) = (Timestamp(rawValue: .min), Timestamp(rawValue: .max))
        #expect(last.advanced(by: .seconds(1)) == last)
        #expect(first.advanced(by: .seconds(-1)) == first)
        #expect(last.since(first).nanoseconds == .max)
        #expect(first.since(last).nanoseconds == .min)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
        #expect(Duration.seconds(Int64.min).nanoseconds == .min)
        #expect(first.description.hasPrefix("1677-09-21T"))
        #expect(last.description.hasPrefix("2262-04-11T"))
        #expect(MonotonicTime(rawValue: .max).advanced(by: .seconds(1)) == MonotonicTime(rawValue: .max))
    }
}
