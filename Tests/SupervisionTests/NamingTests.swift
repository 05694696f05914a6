import Glibc
import RegistryModel
import Supervision
import TestSupport
import Testing

@Suite("Names and places")
struct NamingTests {
    @Test(
        "an instance is named for its host and port",
        arguments: [
            ("ws14", "ws14-7000"), ("ws14.gov.local", "ws14-7000"), ("10.1.3.4", "10.1.3.4-7000"),
            ("ada's laptop", "ada-s-laptop-7000"), ("-_-", "host-7000"), ("", "host-7000"), ("語", "host-7000"),
            (String(repeating: "x", count: 300), String(repeating: "x", count: 63) + "-7000"),
        ]
    )
    func id(host: String, id: String) {
        #expect(InstanceNaming.stableID(host: host, port: 7_000).description == id)
    }

    @Test("this machine has a name that makes an id")
    func hostName() {
        #expect(!InstanceNaming.hostName().isEmpty)
        #expect(InstanceNaming.stableID(host: InstanceNaming.hostName(), port: 1).description.hasSuffix("-1"))
    }
}
