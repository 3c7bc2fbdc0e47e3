// Tests of S4NN's and BS4NN's learning loop and inference without Python: a case worked out by hand,
// refusals, and random images under the sanitizers. That they do what NumPy does is tested from Python.
#include <cmath>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <vector>

#include "predecessors/predecessors.hpp"

namespace {

int passed = 0;
int failed = 0;

void check(bool holds, const char* what, int line) {
  ++(holds ? passed : failed);
  if (!holds) std::printf("line %d: failed: %s\n", line, what);
}

#define CHECK(holds) check((holds), #holds, __LINE__)

struct Case {
  std::size_t inputs, hidden, classes;
  std::vector<float> below, above;
  std::vector<std::int64_t> fired, labels, order;
  std::vector<std::int16_t> steps;
  bstdg::PredecessorRule rule{false, 3, 3, 1.5, {0.25, 0.5}, {1.0, 1.0}, 0.0};
  double scales[2] = {1.0, 1.0};

  Case(std::size_t i, std::size_t h, std::size_t k)
      : inputs(i), hidden(h), classes(k), below(i * h), above(h * k), fired(h) {}

  std::int64_t learn() {
    bstdg::PredecessorState state{
        inputs, hidden, classes, below.data(), above.data(), {scales[0], scales[1]}, 1.0, fired.data()};
    const std::int64_t right = bstdg::learn_predecessor(
        rule, state, {steps.data(), labels.data(), labels.size(), order.data(), order.size()});
    scales[0] = state.scales[0];
    scales[1] = state.scales[1];
    return right;
  }
};

struct Answers {
  std::vector<std::int16_t> hidden, output;
  std::vector<float> potential;
};

Answers answer(const Case& one, double threshold) {
  const std::size_t images = one.steps.size() / one.inputs;
  Answers found{std::vector<std::int16_t>(images * one.hidden),
                std::vector<std::int16_t>(images * one.classes), std::vector<float>(images * one.classes)};
  bstdg::run_predecessor({one.rule.binary,
                          one.inputs,
                          one.hidden,
                          one.classes,
                          one.below.data(),
                          one.above.data(),
                          {threshold, threshold}},
                         one.steps.data(), images, 253,
                         {found.hidden.data(), found.output.data(), found.potential.data()});
  return found;
}

bool near(float a, double b) { return std::fabs(static_cast<double>(a) - b) < 1e-6; }

// Two inputs at steps 4 and 9, one hidden neuron, two outputs that fire together; the first is the label.
void by_hand() {
  Case one(2, 1, 2);
  one.below = {1.0F, 1.0F};
  one.above = {2.0F, 3.0F};
  one.steps = {4, 9};
  one.labels = {0};
  one.order = {0};
  CHECK(one.learn() == 1);              // both outputs are stamped 11, the label among them
  CHECK(one.fired[0] == 1);             // stamped 10
  CHECK(near(one.above[0], 2));         // the label is where it should be
  CHECK(near(one.above[1], 3 - 0.5));   // the other is to trail by 3: its error is the whole, of length 1
  CHECK(near(one.below[0], 1 - 0.25));  // and so is the hidden neuron's, at its own rate
  CHECK(near(one.below[1], 1 - 0.25));
}

// The same with signs: thresholds are divided by the scales, and the scales learn.
void signs_by_hand() {
  Case one(2, 1, 2);
  one.rule = {true, 1, 0, 3.0, {0.5, 0.5}, {1.0, 1.0}, 0.1};
  one.below = {0.25F, 7.0F};
  one.above = {2.0F, 0.25F};
  one.scales[0] = one.scales[1] = 4.0;  // thresholds of 0.75
  one.steps = {4, 255};
  one.labels = {0};
  one.order = {0};
  CHECK(one.learn() == 1);
  CHECK(near(one.above[1], -0.25));
  CHECK(std::fabs(one.scales[1] - (4.0 - 0.1 * -1.0 / 2.0)) < 1e-9);  // its sign is -1 by now, of two weights
  CHECK(near(one.below[0], 0.25 + 0.5));  // told a negative error, by a weight that is negative by now
  CHECK(near(one.below[1], 7.0));         // an input at 255 is heard by no spike
  CHECK(std::fabs(one.scales[0] - (4.0 - 0.1 * -1.0 / 2.0)) < 1e-9);
}

// The second image fires nothing: what was there at 253 decides, and the input at 254 comes too late.
void answers_by_hand() {
  Case one(2, 1, 2);
  one.below = {2.0F, 1.0F};
  one.above = {2.0F, -3.0F};
  one.steps = {4, 9, 252, 254};
  const Answers real = answer(one, 1.5);
  CHECK(real.hidden[0] == 5 && real.output[0] == 6 && real.output[1] == 256);
  CHECK(near(real.potential[0], 2) && near(real.potential[1], -3));
  CHECK(real.hidden[1] == 253 && real.output[2] == 254);
  const Answers higher = answer(one, 2.5);
  CHECK(higher.hidden[0] == 10 && higher.output[0] == 256 && near(higher.potential[0], 2));
  CHECK(higher.hidden[1] == 255 && higher.output[2] == 256 && near(higher.potential[2], 0));
  one.rule.binary = true;
  const Answers signs = answer(one, 0.5);
  CHECK(signs.hidden[0] == 5 && signs.output[0] == 6 && near(signs.potential[1], -1));
}

template <typename Change>
bool refused(Change change) {
  Case one(3, 2, 2);
  one.steps = {0, 1, 2};
  one.labels = {1};
  one.order = {0};
  change(one);
  try {
    one.learn();
  } catch (const std::invalid_argument& error) {
    return error.what()[0] != '\0';
  }
  return false;
}

void refusals() {
  CHECK(!refused([](Case&) {}));
  CHECK(refused([](Case& c) { c.steps[2] = 257; }));
  CHECK(refused([](Case& c) { c.steps[0] = -1; }));
  CHECK(refused([](Case& c) { c.labels[0] = 2; }));
  CHECK(refused([](Case& c) { c.labels[0] = -1; }));
  CHECK(refused([](Case& c) { c.order[0] = 1; }));
  CHECK(refused([](Case& c) { c.order[0] = -1; }));
  CHECK(refused([](Case& c) { c.classes = 0; }));
  CHECK(refused([](Case& c) {
    c.classes = 257;
    c.above.resize(2 * 257);
  }));
}

void random_images() {
  std::mt19937 random(7);
  for (int n = 0; n < 60; ++n) {
    const auto draw = [&](std::size_t most) { return 1 + random() % most; };
    Case one(draw(40), draw(40), draw(n % 10 == 0 ? 256 : 12));
    one.rule.binary = n % 2 == 1;
    if (n % 2 == 0) one.rule.keeps[0] = one.rule.keeps[1] = 0.999;
    for (float& w : one.below) w = static_cast<float>(random() % 1000) / 250.0F - 1.0F;
    for (float& w : one.above) w = static_cast<float>(random() % 1000) / 250.0F - 1.0F;
    for (int i = 0; i < 6; ++i) {
      one.labels.push_back(static_cast<std::int64_t>(random() % one.classes));
      one.order.push_back(static_cast<std::int64_t>(random() % 6));
      for (std::size_t c = 0; c < one.inputs; ++c)
        one.steps.push_back(static_cast<std::int16_t>(n % 7 == 0 ? 256 : random() % 257));
    }
    const std::int64_t right = one.learn();
    CHECK(right >= 0 && right <= 6);
    bool finite = true;
    for (const float w : one.below) finite = finite && std::isfinite(w);
    for (const float w : one.above) finite = finite && std::isfinite(w);
    CHECK(finite);
    for (const std::int16_t stamp : answer(one, 1.5).output) CHECK(stamp >= 1 && stamp <= 256);
    for (const std::int64_t count : one.fired) CHECK(count >= 0 && count <= 6);
  }
}

}  // namespace

int main() {
  by_hand();
  signs_by_hand();
  answers_by_hand();
  refusals();
  random_images();
  std::printf("predecessors: %d checks passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
