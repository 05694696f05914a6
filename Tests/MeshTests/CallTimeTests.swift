import NIOCore
import Testing

@testable import Mesh

@Suite("A call's time")
struct CallTimeTests {
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

    @Test("milliseconds are read and written", arguments: ["1", "800", "15000"])
    func milliseconds(text: String) {
        #expect((TimeAmount(timeoutHeader: text)?.timeoutField).map(String.init) == text)
    }

    @Test("what is no number of milliseconds is none", arguments: ["", "-1", "1.5", "1s", " 1", "1234567890123"])
    func malformedMilliseconds(text: String) {
        #expect(TimeAmount(timeoutHeader: text) == nil)
    }
}
