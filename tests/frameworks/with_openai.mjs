// OpenAI's own package for JavaScript, as in its README and helpers.md: old and new versions alike.
// https://github.com/openai/openai-node/blob/master/helpers.md
//
// node with_openai.mjs FOLDER REPORT: the folder holds node_modules; a line for each example goes
// into the report.

import assert from "node:assert/strict";
import { appendFileSync, createReadStream, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, report] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { OpenAI } = require("openai");

const client = new OpenAI();
const { assistants, threads } = client.beta;
const vectorStores = client.vectorStores ?? client.beta.vectorStores;
const POLLING = { pollIntervalMs: 20 };
const TUTOR = "You are a personal math tutor. Answer questions briefly, in a sentence or less.";
const EQUATION = "I need to solve the equation 3x + 11 = 14. Can you help me?";
const QUIZ = "Make a quiz about fractions with one multiple choice question.";
const QUIZ_TOOL = {
  type: "function",
  function: {
    name: "display_quiz",
    parameters: {
      type: "object",
      properties: { title: { type: "string" }, questions: { type: "array" } },
    },
  },
};

// From version 5 on, ids that are not the last of a path are named, and `del` is `delete`.
const old = "del" in assistants;
const within = (threadId, id) => (old ? [threadId, id] : [id, { thread_id: threadId }]);

const create = (settings = {}) =>
  assistants.create({ model: "gpt-4o", instructions: TUTOR, ...settings });

const threadOf = (content, more = {}) =>
  threads.create({ messages: [{ role: "user", content, ...more }] });

const newest = async (threadId) =>
  (await threads.messages.list(threadId, { limit: 1 })).data[0].content[0].text;

const outputs = (run) =>
  run.required_action.submit_tool_outputs.tool_calls.map((call) => {
    const { questions } = JSON.parse(call.function.arguments);
    const choices = questions.map((each) => "abcd"[each.choices.indexOf("fraction")]);
    return { tool_call_id: call.id, output: JSON.stringify(choices) };
  });

const submitted = (run) => {
  const body = { tool_outputs: outputs(run) };
  return old ? [run.thread_id, run.id, body] : [run.id, { thread_id: run.thread_id, ...body }];
};

const examples = {
  async assistants() {
    const made = await create({ name: "one", metadata: { kind: "test" } });
    const changed = await assistants.update(made.id, { name: "two" });
    assert.deepEqual([changed.name, changed.metadata], ["two", { kind: "test" }]);
    const listed = await assistants.list({ limit: 1, order: "desc" });
    assert.equal(listed.data[0].id, made.id);
    const remove = assistants.del ?? assistants.delete;
    assert.ok((await remove.call(assistants, made.id)).deleted);
    await assert.rejects(assistants.retrieve(made.id), OpenAI.NotFoundError);
  },

  async "threads and messages"() {
    const thread = await threads.create();
    const message = await threads.messages.create(thread.id, { role: "user", content: "Hi!" });
    const found = await threads.messages.retrieve(...within(thread.id, message.id));
    assert.equal(found.content[0].text.value, "Hi!");
    const ids = [];
    for await (const each of threads.messages.list(thread.id)) ids.push(each.id);
    assert.deepEqual(ids, [message.id]);
  },

  async "a run"() {
    const { id } = await create();
    const thread = await threadOf(EQUATION);
    const run = await threads.runs.createAndPoll(thread.id, { assistant_id: id }, POLLING);
    assert.equal(run.status, "completed");
    assert.match((await newest(thread.id)).value, /x = 1/);
    const steps = await threads.runs.steps.list(...within(thread.id, run.id));
    assert.equal(steps.data[0].type, "message_creation");
  },

  async "a function"() {
    const { id } = await create({ tools: [QUIZ_TOOL] });
    const thread = { messages: [{ role: "user", content: QUIZ }] };
    let run = await threads.createAndRunPoll({ assistant_id: id, thread }, POLLING);
    assert.equal(run.status, "requires_action");
    run = await threads.runs.submitToolOutputsAndPoll(...submitted(run), POLLING);
    assert.equal(run.status, "completed");
    assert.match((await newest(run.thread_id)).value, /You got 1 of 1 right/);
  },

  async "a stream"() {
    const { id } = await create();
    const thread = await threadOf(EQUATION);
    const pieces = [];
    const stream = threads.runs
      .stream(thread.id, { assistant_id: id })
      .on("textDelta", (delta) => pieces.push(delta.value ?? ""));
    assert.equal((await stream.finalRun()).status, "completed");
    assert.ok(pieces.length > 1);
    assert.equal(pieces.join(""), (await newest(thread.id)).value);
  },

  async "a stream with a function"() {
    const { id } = await create({ tools: [QUIZ_TOOL] });
    const thread = await threadOf(QUIZ);
    let run, text;
    for await (const event of threads.runs.stream(thread.id, { assistant_id: id })) {
      if (event.event === "thread.run.requires_action") run = event.data;
    }
    const rest = threads.runs
      .submitToolOutputsStream(...submitted(run))
      .on("textDone", (content) => (text = content.value));
    await rest.finalRun();
    assert.match(text, /You got 1 of 1 right/);
    assert.equal(text, (await newest(thread.id)).value);
  },

  async "the code interpreter"() {
    writeFileSync("sales.csv", "units\n1\n4\n7\n");
    const content = createReadStream("sales.csv");
    const file = await client.files.create({ file: content, purpose: "assistants" });
    const { id } = await create({ tools: [{ type: "code_interpreter" }] });
    const attachments = [{ file_id: file.id, tools: [{ type: "code_interpreter" }] }];
    const thread = await threadOf("What is the mean of the units in sales.csv?", { attachments });
    await threads.runs.createAndPoll(thread.id, { assistant_id: id }, POLLING);
    assert.match((await newest(thread.id)).value, /mean 4\.0/);
  },

  async "file search"() {
    writeFileSync("terms.md", "# Terms\n\nA refund is paid within thirty days.\n");
    const store = await vectorStores.create({ name: "terms" });
    const files = [createReadStream("terms.md")];
    const batch = await vectorStores.fileBatches.uploadAndPoll(store.id, { files }, POLLING);
    assert.equal(batch.file_counts.completed, 1);
    const { id } = await create({
      tools: [{ type: "file_search" }],
      tool_resources: { file_search: { vector_store_ids: [store.id] } },
    });
    const thread = await threadOf("What do the documents say about a refund?");
    await threads.runs.createAndPoll(thread.id, { assistant_id: id }, POLLING);
    const text = await newest(thread.id);
    assert.match(text.value, /thirty days/);
    assert.equal(text.annotations[0].type, "file_citation");
  },
};

for (const [name, example] of Object.entries(examples)) {
  let error = null;
  try {
    await example();
  } catch (thrown) {
    error = thrown.stack;
  }
  appendFileSync(report, `${JSON.stringify({ name, error })}\n`);
}
