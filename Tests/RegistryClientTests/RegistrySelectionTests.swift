import RegistryModel
import Testing

@testable import RegistryClient

@Suite("Which registry is meant")
struct RegistrySelectionTests {
    private static let environment = ["HOME": "/home/ada", "XDG_RUNTIME_DIR": "/run/user/7"]

    private func choose(
        option: String? = nil,
        variable: String? = nil,
        manifest: String? = nil,
        answering: Set<String> = []
    ) throws -> RegistrySelection? {
        try RegistrySelection.choose(
            option: option,
            environment: { $0 == "HMS_REGISTRY" ? variable : Self.environment[$0] },
            manifest: { manifest.map { ("hms.yml", $0) } },
            isAnswered: { answering.contains($0) }
        )
    }

    @Test("the option goes before the environment, that before the manifest, that before any socket")
    func order() throws {
        let sockets: Set = ["/run/user/7/hms/regd.sock"]
        let all = try choose(option: "unix:/a", variable: "unix:/b", manifest: "unix:/c", answering: sockets)
        #expect(all == RegistrySelection(address: try RegistryAddress("unix:/a"), source: .option))
        let two = try choose(variable: "unix:/b", manifest: "unix:/c", answering: sockets)
        #expect(two == RegistrySelection(address: try RegistryAddress("unix:/b"), source: .environment))
        let one = try choose(option: "", variable: "", manifest: "unix:/c", answering: sockets)
        #expect(one == RegistrySelection(address: try RegistryAddress("unix:/c"), source: .manifest(file: "hms.yml")))
    }

    @Test("of the sockets it is the first that answers")
    func sockets() throws {
        #expect(try choose() == nil)
        let machine = try choose(answering: ["/run/hms/regd.sock", "/home/ada/.local/state/hms/dev/regd.sock"])
        #expect(machine == RegistrySelection(address: try RegistryAddress("unix:/run/hms/regd.sock"), source: .socket))
        let user = try choose(answering: ["/run/hms/regd.sock", "/run/user/7/hms/regd.sock"])
        #expect(user?.address.description == "unix:/run/user/7/hms/regd.sock")
    }

    @Test("what is named and is no address is an error, whatever else there is")
    func bad() {
        #expect(throws: RegistryClientError(.badAddress, "")) {
            try choose(manifest: "nowhere", answering: ["/run/hms/regd.sock"])
        }
    }

    @Test("directories that are not absolute count as unset")
    func directories() {
        let user = UserDirectories { ["HOME": "/home/ada/", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": ""][$0] }
        #expect(user?.state == "/home/ada/.local/state/hms")
        #expect(user?.runtime == "/home/ada/.hms/run")
        #expect(UserDirectories { ["HOME": "/"][$0] }?.runtime == "/.hms/run")
        #expect(UserDirectories { _ in nil } == nil)
        #expect(
            UserDirectories { ["XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r/"][$0] }?.registrySocket
                == "/r/hms/regd.sock"
        )
    }
}
