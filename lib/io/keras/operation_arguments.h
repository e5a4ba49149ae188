// The arguments of a call of a function (operation.h) by position or keyword, those of its config among them. Every one has to be asked
// for: a function is read only where nothing of it is left over.
// Who uses it: operation_read.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/keras/node_reader.h"

namespace dl::operation {

class Arguments {
 public:
  // `tensorflow`: of a function of TensorFlow, whose arrays are plain lists. `typed`: a type is an argument of it.
  Arguments(const spec::Node& config, const KerasCall& call, bool tensorflow, bool typed);

  // Text of a tensor or a number; "" when there is none.
  std::string operand(int position, std::string_view keyword);
  // Text of a list of tensors.
  std::string list(int position, std::string_view keyword);
  // A constant; null when it is not given or null.
  spec::Node constant(int position, std::string_view keyword);

  // Whether everything was understood. What is left may be null.
  bool all_taken() const;
  // The arrays among the operands, c0, c1, ... in the texts.
  std::vector<spec::Node> take_constants() { return std::move(constants_); }

  // "" for anything but a finite number.
  static std::string number(const spec::Node& value);

 private:
  struct Given {
    std::string keyword;
    int position = -1;
    std::string text;  // of a tensor, or of a list of them
    bool is_list = false;
    spec::Node value;
    bool taken = false;
  };
  Given* take(int position, std::string_view keyword);
  std::string array(const spec::Node& given);

  std::vector<Given> given_;
  std::vector<spec::Node> constants_;
  bool complete_ = false, plain_arrays_;
};

}  // namespace dl::operation
