/// Where the lease of each handle is: looked up once a heartbeat, of which a day of a large fleet has hundreds of millions.
/// Open addressing (Knuth 6.4, algorithms L and R), at most half full.
struct HandleTable {
    /// No event has this number.
    private static let free: UInt64 = 0

    private var handles: [UInt64]
    private var places: [Int32]
    private var count = 0

    init() {
        handles = [UInt64](repeating: Self.free, count: 1_024)
        places = [Int32](repeating: 0, count: 1_024)
    }

    @inline(__always)
    private func home(_ handle: UInt64) -> Int {
        // Fibonacci hashing: handles are near each other.
        Int(truncatingIfNeeded: (handle &* 0x9E37_79B9_7F4A_7C15) >> 32) & (handles.count - 1)
    }

    @inline(__always)
    private func slot(_ handle: UInt64) -> Int {
        var slot = home(handle)
        while handles[slot] != handle, handles[slot] != Self.free { slot = (slot + 1) & (handles.count - 1) }
        return slot
    }

    /// nil where there is none.
    @inline(__always)
    func place(of handle: UInt64) -> Int? {
        guard handle != Self.free else { return nil }
        let slot = slot(handle)
        return handles[slot] == handle ? Int(places[slot]) : nil
    }

    mutating func put(_ handle: UInt64, at place: Int) {
        guard handle != Self.free, let place = Int32(exactly: place) else { return }
        if (count + 1) * 2 > handles.count { grow() }
        let slot = slot(handle)
        if handles[slot] == Self.free { count += 1 }
        handles[slot] = handle
        places[slot] = place
    }

    mutating func remove(_ handle: UInt64) {
        guard handle != Self.free else { return }
        var hole = slot(handle)
        guard handles[hole] == handle else { return }
        count -= 1
        handles[hole] = Self.free
        // What stands behind it and would not be found any more moves up.
        var next = (hole + 1) & (handles.count - 1)
        while handles[next] != Self.free {
            let distance = (next - home(handles[next])) & (handles.count - 1)
            if distance >= (next - hole) & (handles.count - 1) {
                handles[hole] = handles[next]
                places[hole] = places[next]
                handles[next] = Self.free
                hole = next
            }
            next = (next + 1) & (handles.count - 1)
        }
    }

    private mutating func grow() {
        let old = zip(handles, places)
        handles = [UInt64](repeating: Self.free, count: handles.count * 2)
        places = [Int32](repeating: 0, count: handles.count)
        count = 0
        for (handle, place) in old where handle != Self.free { put(handle, at: Int(place)) }
    }
}
