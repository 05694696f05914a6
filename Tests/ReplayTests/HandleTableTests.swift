import TestSupport
import Testing

@testable import Replay

@Suite("The table of handles")
struct HandleTableTests {
    @Test("holds what a dictionary holds, whatever comes and goes", arguments: [1, 2, 3] as [UInt64])
    func model(seed: UInt64) {
        var random = SeededGenerator(usual: seed)
        var table = HandleTable()
        var model: [UInt64: Int] = [:]
        for step in 0..<20_000 {
            // Few enough that they meet, near each other as sequences are.
            let handle = UInt64(1 + random.below(3_000))
            if random.oneIn(3) {
                table.remove(handle)
                model[handle] = nil
            } else {
                table.put(handle, at: step)
                model[handle] = step
            }
            let asked = UInt64(random.below(3_002))
            #expect(table.place(of: asked) == model[asked], "seed \(random.seed), step \(step)")
        }
        for handle in 0..<UInt64(3_002) { #expect(table.place(of: handle) == model[handle]) }
    }
}
