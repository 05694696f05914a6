/// What falls due, by the second (Varghese and Lauck 1987): putting it in and taking it out cost the same whatever waits.
struct TimingWheel {
    /// A power of two.
    private static let seconds: Int64 = 1_024

    private var slots = [[Int]](repeating: [], count: Int(seconds))

    private static func slot(_ second: Int64) -> Int {
        Int(second & (seconds - 1))
    }

    mutating func put(_ item: Int, at second: Int64) {
        slots[Self.slot(second)].append(item)
    }

    /// What was put at this second, or at one that is whole laps from it: whoever puts it in knows.
    mutating func take(_ second: Int64) -> [Int] {
        let slot = Self.slot(second)
        guard !slots[slot].isEmpty else { return [] }
        defer { slots[slot] = [] }
        return slots[slot]
    }

    /// Whether something due at `due` was taken at `second` because both share a slot.
    static func isLapEarly(_ second: Int64, for due: Int64) -> Bool {
        due > second && slot(due) == slot(second)
    }
}
