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

    @Test("directories are made with all above them, closed to others; files are replaced as one step")
    func directories() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a/b/c"
            try StateDirectories.make(path)
            try StateDirectories.make(path)
            var status = stat()
            #expect(stat(directory + "/a", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o700)
            try StateDirectories.replace(path + "/f", with: "one")
            try StateDirectories.replace(path + "/f", with: "two")
            #expect(try readFile(path + "/f") == Array("two".utf8))
            #expect(try directoryEntries(path) == ["f"])
            #expect(stat(path + "/f", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(throws: SupervisionError.self) { try StateDirectories.make(path + "/f") }
            #expect(throws: SupervisionError.self) { try StateDirectories.make("/proc/none") }
            #expect(throws: SupervisionError.self) { try StateDirectories.replace("/proc/none/f", with: "") }
        }
    }
}
