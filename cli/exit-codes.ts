import { exitCodes as ofFailures, type FailureKind } from '../errors/kinds.js'

/** How a command ends: `Done`; `NotAccepted`: a run ended without finding what it searched for; `Cancelled`: by the user;
 *  `Defect`: puzzleflow is at fault; or with a failure. */
export type Ending = 'Done' | 'Defect' | FailureKind | 'NotAccepted' | 'Cancelled'

/** Exit codes of the command line (docs/operations.md). */
export const exitCodes: Readonly<Record<Ending, number>> = {
  Done: 0,
  Defect: 1,
  ...ofFailures,
  NotAccepted: 7,
  Cancelled: 130,
}
