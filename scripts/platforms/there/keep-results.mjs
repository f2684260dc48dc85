// A reporter that adds the results of each file to results.jsonl once it ends, so that a run that is ended loses none.
import { appendFileSync } from "node:fs";

const keep = (line) => appendFileSync("results.jsonl", `${JSON.stringify(line)}\n`);
const firstLine = ({ message }) => message.split("\n", 1)[0];

export default class KeepResults {
  onTestModuleQueued({ relativeModuleId }) {
    keep({ file: relativeModuleId, tests: [], errors: ["it did not end"] });
  }

  onTestModuleEnd(module) {
    const tests = [...module.children.allTests()].map((test) => {
      const { state, errors } = test.result();
      return { name: test.fullName, state, message: errors?.map(firstLine).join("; ") };
    });
    keep({ file: module.relativeModuleId, tests, errors: module.errors().map(firstLine) });
  }

  onTestRunEnd(_, errors) {
    keep({ file: "outside of tests", tests: [], errors: errors.map(firstLine) });
  }
}
