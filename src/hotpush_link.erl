%% @doc The device's end of a visit over ssh. Never sent as a module: its body
%% travels parsed, to the evaluator behind `ssh host '<expression>'`.
%%
%% Frames come in as lines of base64 after `+' (more follows) or `.' (the last line), and go out as
%% lines of base64 after "hotpush+ " (more follows) or "hotpush " (the last line). They contain
%% external terms:
%%
%%   in:  {call, Id, {M, F, A}}   answered by {Id, answer, Value}
%%        {start, Id, {M, F, A}}  each {Id, Value} that is sent here is passed on as an answer
%%        {send, Id, Tuple}       a message to that process, with Id as its first element
%%        {stop, Id}              answered by {Id, stopped}, with nothing of Id after it
%%        ping, bye
%% A started process gets {Id, alive} for each line until it is stopped, so that it knows that the host
%% is there.
%%   out: {ready, Pid}, {Id, answer, Value}, {Id, raised, Text}, {Id, stopped}
%%
%% A visit may last for hours, so this keeps only what belongs to running calls.
-module(hotpush_link).

-export([serve/1]).

%% @doc Serves until the host says bye, the connection is closed, or nothing has come in for Silence ms:
%% OTP's daemon does not report the end of the input (seen on 25, 27, 29), and a cut link by itself
%% ends nothing.
-spec serve(pos_integer()) -> left.
serve(Silence) ->
    Me = self(),
    %% In pieces, since OTP 25's daemon stops at a write of some megabytes. Each piece is a line, so that
    %% other output comes between lines. Their lengths are not multiples of 80, or OTP 29's daemon writes
    %% a blank and a backspace after each, as on a terminal.
    Write = fun
        Write(<<Piece:49152/binary, Rest/binary>>) when Rest =/= <<>> ->
            io:put_chars(["hotpush+ ", Piece, "\n"]),
            Write(Rest);
        Write(Rest) ->
            io:put_chars(["hotpush ", Rest, "\n"])
    end,
    Say = fun(Term) -> Write(base64:encode(term_to_binary(Term, [compressed]))) end,
    Reader = spawn_link(fun() ->
        Read = fun Read() ->
            Line = io:get_line(""),
            Me ! {line, Line},
            case is_list(Line) orelse is_binary(Line) of true -> Read(); false -> ok end
        end,
        Read()
    end),
    %% Not linked: a transaction that has begun is finished, even if the host goes away.
    Start = fun(Work) ->
        element(1, spawn_monitor(fun() ->
            try Work() catch
                C:R -> exit({hotpush_raised, unicode:characters_to_binary(
                           io_lib:format("~tw: ~tP", [C, R, 30]))})
            end
        end))
    end,
    Leader = group_leader(),
    monitor(process, Leader),
    %% For hotpush_question:settle/2.
    put(hotpush_link, true),
    Serve = fun Serve(Parts, Running) ->
        receive
            {line, Line} when is_list(Line); is_binary(Line) ->
                [Pid ! {Id, alive} || {Id, Pid} <- maps:to_list(Running), is_pid(Pid)],
                case iolist_to_binary(Line) of
                    <<"+", Part/binary>> ->
                        Serve([base64:decode(Part) | Parts], Running);
                    <<".", Part/binary>> ->
                        Whole = lists:reverse([base64:decode(Part) | Parts]),
                        case binary_to_term(iolist_to_binary(Whole)) of
                            {call, Id, {M, F, A}} ->
                                Pid = Start(fun() -> Me ! {Id, apply(M, F, A)} end),
                                Serve([], Running#{Id => called, Pid => Id});
                            {start, Id, {M, F, A}} ->
                                Pid = Start(fun() -> apply(M, F, A) end),
                                Serve([], Running#{Id => Pid, Pid => Id});
                            {send, Id, Message} ->
                                case Running of
                                    #{Id := Pid} when is_pid(Pid) ->
                                        Pid ! erlang:insert_element(1, Message, Id);
                                    _ -> gone
                                end,
                                Serve([], Running);
                            {stop, Id} ->
                                Say({Id, stopped}),
                                Serve([], maps:remove(Id, Running));
                            ping ->
                                Serve([], Running);
                            bye ->
                                left
                        end;
                    _ ->
                        Serve(Parts, Running)
                end;
            {line, _} ->
                left;
            {Id, Value} when is_integer(Id), is_map_key(Id, Running) ->
                Say({Id, answer, Value}),
                Serve(Parts, Running);
            {'DOWN', _, process, Leader, _} ->
                left;
            {'DOWN', _, process, Pid, Reason} ->
                Id = maps:get(Pid, Running),
                case Reason of
                    _ when Reason =:= normal; not is_map_key(Id, Running) -> ok;
                    {hotpush_raised, Text} -> Say({Id, raised, Text});
                    _ -> Say({Id, raised, unicode:characters_to_binary(
                                  io_lib:format("~tP", [Reason, 30]))})
                end,
                Serve(Parts, maps:without([Id, Pid], Running));
            _ ->
                Serve(Parts, Running)
        after Silence ->
            left
        end
    end,
    Say({ready, pid_to_list(Me)}),
    Serve([], #{}),
    unlink(Reader),
    exit(Reader, kill),
    left.
