import RegistryClient
import RegistryModel
import Testing

@testable import Mesh

@Suite("Where an instance is registered")
struct AdvertisedAddressTests {
    private func configuration(_ registry: String) throws -> SidecarConfiguration {
        SidecarConfiguration(
            service: try ServiceName("identity-check"),
            instance: try InstanceID("n1"),
            registry: try RegistryAddress(registry),
            stateDirectory: "/nowhere",
            runDirectory: "/nowhere"
        )
    }

    private func endpoint(_ configuration: SidecarConfiguration, localHost: String?) throws -> String {
        var instance = Instance(key: try key(), endpoint: try Endpoint(host: "127.0.0.1", port: 17_001))
        try configuration.advertised(metricsPort: nil).apply(to: &instance, localHost: localHost)
        return instance.endpoint.description
    }

    private func key() throws -> InstanceKey {
        InstanceKey(service: try ServiceName("identity-check"), id: try InstanceID("n1"))
    }

    @Test(
        "with the registry on this machine it is on loopback, and listens nowhere else",
        arguments: [
            "unix:/run/hms/regd.sock", "http://127.0.0.1:9001", "https://localhost:9000", "https://[::1]:9000",
        ]
    )
    func local(registry: String) throws {
        let configuration = try configuration(registry)
        #expect(configuration.inboundHosts == ["127.0.0.1"])
        #expect(try endpoint(configuration, localHost: nil) == "127.0.0.1:17001")
        #expect(try endpoint(configuration, localHost: "10.1.3.4") == "127.0.0.1:17001")
    }

    @Test("with a registry elsewhere it is where its connection to the registry begins")
    func remote() throws {
        let configuration = try configuration("https://reg.gov.local:9000")
        #expect(configuration.inboundHosts == ["::", "0.0.0.0"])
        #expect(try endpoint(configuration, localHost: "10.1.3.4") == "10.1.3.4:17001")
        #expect(try endpoint(configuration, localHost: "2001:db8::7") == "[2001:db8::7]:17001")
    }

    @Test("what was said counts: an address to advertise, or one to listen on")
    func said() throws {
        var advertised = try configuration("unix:/run/hms/regd.sock")
        advertised.advertisedHost = "gateway.gov.local"
        #expect(advertised.inboundHosts == ["::", "0.0.0.0"])
        #expect(try endpoint(advertised, localHost: nil) == "gateway.gov.local:17001")
        var bound = try configuration("https://reg.gov.local:9000")
        bound.inboundHost = "10.9.9.9"
        #expect(bound.inboundHosts == ["10.9.9.9"])
        #expect(try endpoint(bound, localHost: "10.1.3.4") == "10.9.9.9:17001")
        bound.inboundHost = "0.0.0.0"
        #expect(bound.inboundHosts == ["0.0.0.0"])
        #expect(try endpoint(bound, localHost: "10.1.3.4") == "10.1.3.4:17001")
    }

    @Test("scrapers are told the same address, and one that the manifest names stays")
    func metrics() throws {
        var configuration = try configuration("https://reg.gov.local:9000")
        configuration.adminListen = ("0.0.0.0", 9_100)
        var instance = Instance(key: try key(), endpoint: try Endpoint(host: "127.0.0.1", port: 17_001))
        instance.metadata = [MetadataEntry(key: "zone", value: "a")]
        for host in ["10.1.3.4", "10.1.3.5"] {
            try configuration.advertised(metricsPort: 9_100).apply(to: &instance, localHost: host)
            #expect(instance.metricsAddress == "\(host):9100")
            #expect(instance.metadata.map(\.key) == [Instance.metricsKey, "zone"])
        }
        configuration.adminListen = ("127.0.0.1", 9_100)
        try configuration.advertised(metricsPort: 9_100).apply(to: &instance, localHost: "2001:db8::7")
        #expect(instance.metricsAddress == "127.0.0.1:9100")
        configuration.metadata = [MetadataEntry(key: Instance.metricsKey, value: "elsewhere:1")]
        #expect(configuration.advertised(metricsPort: 9_100).metrics == nil)
    }
}
