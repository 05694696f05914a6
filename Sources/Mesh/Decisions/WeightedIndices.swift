/// Places in an array, drawn at random by weight; keeps its memory when it is filled anew.
struct WeightedIndices: Sendable {
    private(set) var indices: [Int] = []
    /// Of each index and all before it.
    private var cumulative: [UInt64] = []
    /// The weight that all of them have, while they have.
    private var commonWeight: UInt32?

    var isEmpty: Bool {
        indices.isEmpty
    }

    var totalWeight: UInt64 {
        cumulative.last ?? 0
    }

    var meanWeight: Double {
        indices.isEmpty ? 0 : Double(totalWeight) / Double(indices.count)
    }

    mutating func removeAll() {
        indices.removeAll(keepingCapacity: true)
        cumulative.removeAll(keepingCapacity: true)
        commonWeight = nil
    }

    /// - Parameter weight: over 0.
    mutating func append(_ index: Int, weight: UInt32) {
        commonWeight = indices.isEmpty || commonWeight == weight ? weight : nil
        indices.append(index)
        cumulative.append(totalWeight + UInt64(weight))
    }

    /// Two of them. With equal weights two different ones, where there are two; else each by weight, so that at equal
    /// cost shares are as weights.
    func drawTwo(using generator: inout some RandomNumberGenerator) -> (Int, Int) {
        guard indices.count > 1 else { return (indices[0], indices[0]) }
        guard commonWeight == nil else {
            let first = Int.random(in: 0..<indices.count, using: &generator)
            let other = Int.random(in: 0..<indices.count - 1, using: &generator)
            return (indices[first], indices[other < first ? other : other + 1])
        }
        return (draw(using: &generator), draw(using: &generator))
    }

    private func draw(using generator: inout some RandomNumberGenerator) -> Int {
        let place = UInt64.random(in: 0..<totalWeight, using: &generator)
        // The first whose sum is over the place.
        var low = 0
        var high = cumulative.count - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > place { high = middle } else { low = middle + 1 }
        }
        return indices[low]
    }
}
