import Glibc
import RegistryModel

/// Names of segments, and what lies in a directory of them.
enum SegmentFile {
    static let suffix = ".hmslog.zst"
    /// A segment that is being made; without a name of its own it is none yet.
    static let temporarySuffix = ".new"

    /// `00000000000000000001.hmslog.zst`
    static func name(_ first: SequenceNumber) -> String {
        let digits = String(first.rawValue)
        return String(repeating: "0", count: 20 - digits.utf8.count) + digits + suffix
    }

    /// First sequences of the segments in a directory, in order.
    static func list(_ directory: String) throws(EventLogError) -> [SequenceNumber] {
        try entries(directory).compactMap(first(of:)).sorted()
    }

    /// Removes segments that were never given their name.
    static func removeTemporary(_ directory: String) throws(EventLogError) {
        for name in try entries(directory) where name.hasSuffix(suffix + temporarySuffix) {
            unlink(directory + "/" + name)
        }
    }

    private static func first(of name: String) -> SequenceNumber? {
        guard let number = UInt64(name.prefix(20)), number > 0 else { return nil }
        let first = SequenceNumber(number)
        // The one way to write it: `+` and the like are not.
        return name == self.name(first) ? first : nil
    }

    private static func entries(_ directory: String) throws(EventLogError) -> [String] {
        guard let stream = opendir(directory) else {
            throw .system(.fileFailed, "can't list", directory)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names
    }
}
