import NIOCore
import Testing

@testable import Mesh

@Suite("Deadlines")
struct DeadlineTests {
    @Test(
        "gRPC timeouts are read in every unit",
        arguments: [
            ("1H", TimeAmount.hours(1)), ("2M", .minutes(2)), ("3S", .seconds(3)), ("800m", .milliseconds(800)),
            ("5u", .microseconds(5)), ("99999999n", .nanoseconds(99_999_999)), ("0m", .zero),
        ]
    )
    func grpc(text: String, amount: TimeAmount) {
        #expect(TimeAmount(grpcTimeout: text) == amount)
    }

    @Test("nothing else is a timeout", arguments: ["", "m", "5", "-5m", "5x", "123456789m", "5 m", "5mm", "\u{663}m"])
    func malformed(text: String) {
        #expect(TimeAmount(grpcTimeout: text) == nil)
    }

    @Test("milliseconds are read and written", arguments: ["0", "800", "15000"])
    func milliseconds(text: String) {
        #expect(TimeAmount(timeoutHeader: text)?.timeoutHeader == text)
    }

    @Test("what is no number of milliseconds is none", arguments: ["", "-1", "1.5", "1s", " 1", "1234567890123"])
    func malformedMilliseconds(text: String) {
        #expect(TimeAmount(timeoutHeader: text) == nil)
    }

    @Test("what is passed on is never more than there is, and is read back within a part in a thousand")
    func roundTrip() {
        var nanoseconds: Int64 = 1
        while nanoseconds < 86_400_000_000_000_000 {
            let text = TimeAmount.nanoseconds(nanoseconds).grpcTimeout
            let back = TimeAmount(grpcTimeout: text)?.nanoseconds ?? -1
            #expect(text.utf8.count <= 9)
            #expect(back <= nanoseconds && Double(back) >= Double(nanoseconds) * 0.999, "\(text)")
            nanoseconds = nanoseconds * 7 + 3
        }
        #expect(TimeAmount.microseconds(1_999).timeoutHeader == "1")
    }

    @Test("absurd times do not overflow")
    func longest() {
        let now = NIODeadline.uptimeNanoseconds(5_000_000_000)
        for amount in [TimeAmount(grpcTimeout: "99999999H"), TimeAmount(timeoutHeader: "999999999999")] {
            let amount = amount ?? .zero
            #expect(amount > .hours(24))
            #expect(Deadline(after: amount, now: now).remaining(now: now) == amount)
        }
    }

    @Test("the earliest of several holds, and is over when it is over")
    func earliest() {
        let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let late = Deadline(after: .seconds(9), now: now)
        let soon = Deadline(after: .seconds(2), now: now)
        #expect(Deadline.earliest(late, nil, soon) == soon)
        #expect(Deadline.earliest(nil, nil) == nil)
        #expect(soon.remaining(now: now + .seconds(3)) == .zero)
    }
}
