import Glibc
public import RegistryModel

/// The id that an instance has after a restart too: `<host>-<app port>`.
public enum InstanceNaming {
    private static let hostBytes = 63

    /// - Parameter host: of the machine; what an id may not hold becomes `-`.
    public static func stableID(host: String, port: UInt16) -> InstanceID {
        // An address keeps its dots; of a name the first label is enough.
        let isAddress = host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || isDigit($0) }
        let name = isAddress ? host : String(host.prefix { $0 != "." })
        var bytes: [UInt8] = []
        for byte in name.utf8.prefix(hostBytes) {
            if isAllowed(byte) {
                bytes.append(byte)
            } else if bytes.last != UInt8(ascii: "-") {
                bytes.append(UInt8(ascii: "-"))
            }
        }
        let begin = bytes.firstIndex { isAlphanumeric($0) } ?? bytes.endIndex
        let cleaned = bytes[begin...].reversed().drop { !isAlphanumeric($0) }.reversed()
        let label = cleaned.isEmpty ? "host" : String(decoding: cleaned, as: UTF8.self)
        do {
            return try InstanceID("\(label)-\(port)")
        } catch {
            preconditionFailure("\(label)-\(port) has only what an id may hold: \(error)")
        }
    }

    /// This machine's name; `host` where it has none.
    public static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "host" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}
