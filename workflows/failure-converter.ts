import { DefaultFailureConverter } from '@temporalio/common'

/** Messages and stacks of failures become payloads, which a codec can encrypt. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true })
