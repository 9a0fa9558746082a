import { ApplicationFailure, condition, type ActivityOptions } from '@temporalio/workflow'
import type { ArtifactRef } from '../store/store.js'
import type { Approval } from './types.js'
import { promptActivities } from './options.js'
import type { StageOptions } from './stage-options.js'

/** A stage that waits for a person. */
export class Gate {
  private answer: Approval | undefined

  constructor(
    private readonly options: StageOptions,
    private readonly activityOptions: (activity: string) => ActivityOptions,
  ) {}

  approve(answer: Approval): void {
    this.answer = answer
  }

  /** Waits as long as it takes; an answer that was given to the same question before still counts. */
  async ask(): Promise<ArtifactRef> {
    const { node, request, progress, show } = this.options
    let approval = await promptActivities(this.activityOptions('approval')).approval(request)
    if (approval.kind === 'open') {
      progress.state = 'asking'
      progress.question = approval.question
      show()
      await condition(() => this.answer !== undefined)
      progress.state = 'running'
      delete progress.question
      const recorder = promptActivities(this.activityOptions('answer'))
      approval = await recorder.approval({ ...request, answer: this.answer! })
    }
    if (approval.kind !== 'approved')
      throw ApplicationFailure.nonRetryable(
        `Stage ${node.name} was not approved${approval.kind === 'refused' && approval.comment ? `: ${approval.comment}` : ''}`,
        'TaskFailed',
        { remedy: 'Change the spec, or run the same command to be asked again.' },
      )
    progress.done = progress.total = 1
    return approval.outputs
  }
}
