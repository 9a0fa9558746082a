import type { ArtifactRef, Environment } from '../api/index.js'
import { digestsOf, pick } from '../lineage/inputs.js'
import type { Loaded } from '../plugins/registry.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import type { Store } from '../store/index.js'

/** What a stage of a plan can use whatever it does: the inputs that it reads, and no others. */
export function stageEnvironment(
  plan: FrozenPlan,
  store: Store,
  loaded: Pick<Loaded, 'blocks' | 'runs'>,
  reads: readonly string[],
  log: Environment['log'],
): Environment {
  return {
    spec: pick(plan.inputs, reads),
    inputDigests: digestsOf(plan, reads),
    seed: plan.seed,
    blocks: loaded.blocks,
    runs: loaded.runs,
    open: (ref) => store.path(ref),
    async put<T>(kind: string, data: T): Promise<ArtifactRef<T>> {
      const bytes = data instanceof Uint8Array
      const { digest, ...ref } = await (bytes ? store.putBytes(kind, data) : store.putJson(kind, data))
      return { digest, bytes: ref.bytes, kind: ref.kind }
    },
    putFile: (kind, path) => store.putFile(kind, path),
    log,
  }
}
