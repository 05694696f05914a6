import NIOCore
import RegistryModel

/// `{"serial": "…", "target": "/tail?…"}`, checked: who wants to look on at an instance's requests, and at which.
struct ObserverRequestBody: Sendable {
    private static let members = ["serial", "target"]
    /// Longer ones are no question that a sidecar answers.
    private static let longestTarget = 4_096

    var serial = ""
    var target = ""

    init(_ body: ByteBuffer) throws {
        var read = (serial: "", target: "")
        try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
            try reader.object { (reader, key) throws(RegistryModelError) in
                switch key {
                case "serial": read.serial = try reader.string()
                case "target": read.target = try reader.string()
                default: throw Registration.unknownMember(key, among: Self.members)
                }
            }
        }
        guard !read.serial.isEmpty else {
            throw RegistryModelError(.missingField, "serial is missing: of the observer's certificate")
        }
        guard read.target.utf8.count <= Self.longestTarget, read.target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else {
            throw RegistryModelError(.invalidField, "target is no path with a query")
        }
        (serial, target) = read
    }
}
