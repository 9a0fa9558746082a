import type { ArtifactRef } from './store.js'

/** An artifact is absent, or was corrupt and has been set aside. Running its task again recreates it. */
export class MissingArtifact extends Error {
  readonly ref: ArtifactRef

  constructor(ref: ArtifactRef, reason: 'absent' | 'corrupt') {
    super(`artifact ${ref.digest.slice(0, 12)} (${ref.kind}, ${ref.bytes} bytes) is ${reason}`)
    this.name = 'MissingArtifact'
    this.ref = ref
  }
}
