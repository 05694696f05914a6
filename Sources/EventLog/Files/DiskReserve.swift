import Glibc

/// A file that only takes up room, to be given up when the disk is full: the last writes need some.
///
/// Not thread safe: one owner.
public final class DiskReserve {
    private let path: String
    private let bytes: UInt64
    public private(set) var isHeld = false

    public init(path: String, bytes: UInt64) {
        self.path = path
        self.bytes = bytes
    }

    /// Takes the room up, if it isn't already.
    ///
    /// - Throws: `disk-full` where there isn't that much; none is taken then.
    public func ensure() throws(EventLogError) {
        guard !isHeld else { return }
        do {
            let file = try DurableFile(path: path, mode: .create)
            try file.allocate(at: 0, length: bytes)
        } catch {
            giveUp()
            throw error
        }
        isHeld = true
    }

    public func giveUp() {
        unlink(path)
        isHeld = false
    }
}
