import RegistryModel
import Testing

@testable import Mesh

@Suite("The clock's offset")
struct ClockOffsetTests {
    @Test("is reckoned to the middle between question and answer")
    func middle() {
        let registry = Timestamp(rawValue: 1_000_000_000_000)
        let offset = ClockOffset(
            registry: registry,
            asked: registry.advanced(by: .seconds(-41)),
            answered: registry.advanced(by: .seconds(-39))
        )
        #expect(offset.amount == .seconds(-40))
        #expect(offset.words == "this machine is 40s behind the registry")
    }

    @Test(
        "says nothing within 30 s, and which way it is off beyond",
        arguments: [
            (Duration.zero, nil), (.seconds(30), nil), (.seconds(-30), nil),
            (.seconds(-272), "this machine is 4m32s behind the registry"),
            (.milliseconds(30_499), "this machine is 30s ahead of the registry"),
            (.seconds(93_600), "this machine is 1d2h ahead of the registry"),
            (.seconds(86_401), "this machine is 1d ahead of the registry"),
        ] as [(Duration, String?)]
    )
    func words(amount: Duration, expected: String?) {
        var offset = ClockOffset()
        offset.amount = amount
        #expect(offset.words == expected)
    }
}
