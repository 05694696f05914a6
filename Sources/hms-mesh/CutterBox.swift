import Synchronization

/// A ``LineCutter`` that a stream's closure can hold.
final class CutterBox: Sendable {
    private let cutter = Mutex(LineCutter())

    /// The access lines that these bytes complete.
    func take(_ bytes: [UInt8]) -> [AccessLine] {
        cutter.withLock { cutter in
            var lines: [AccessLine] = []
            cutter.take(bytes) { line in
                if let read = AccessLine(line) { lines.append(read) }
            }
            return lines
        }
    }
}
